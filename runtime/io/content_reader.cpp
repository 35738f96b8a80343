#include "runtime/io/content_reader.h"

#include <zlib.h>

#include <algorithm>

#include "runtime/error.h"

namespace rela {
namespace {

constexpr int64_t kInputBytes = int64_t{1} << 18;
constexpr int64_t kMaxBytesPerCall = int64_t{1} << 30;  // zlib counts in 32 bits
constexpr int64_t kBestRatio = 1032;                    // of deflate: 258 bytes from 2 bits
constexpr int kGzipOnly = 16 + MAX_WBITS;

bool starts_as_gzip(const InputFile& file) {
  if (file.size() < 2) return false;
  uint8_t magic[2];
  file.read_at(0, magic, 2);
  return magic[0] == 0x1f && magic[1] == 0x8b;
}

}  // namespace

struct ContentReader::Inflater {
  Inflater() {
    RELA_CHECK(inflateInit2(&stream, kGzipOnly) == Z_OK, OutOfMemoryError,
               "gzip: no memory to inflate");
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  z_stream stream{};
  bool between_members = false;
};

ContentReader::ContentReader(const std::string& path) : file_(path) {
  if (starts_as_gzip(file_)) inflater_ = std::make_unique<Inflater>();
}

ContentReader::~ContentReader() = default;

int64_t ContentReader::max_bytes() const {
  return is_gzip() ? file_.size() * kBestRatio : file_.size();
}

int64_t ContentReader::read(void* out, int64_t bytes) {
  auto* const to = static_cast<uint8_t*>(out);
  if (!is_gzip()) {
    const int64_t count = std::min(bytes, file_.size() - offset_);
    file_.read_at(offset_, to, count);
    offset_ += count;
    return count;
  }
  int64_t done = 0;
  while (done < bytes) {
    if (inflater_->between_members && !next_member()) break;
    done += inflate_some(to + done, std::min(bytes - done, kMaxBytesPerCall));
  }
  return done;
}

/// False at the end of the file.
bool ContentReader::refill() {
  const int64_t count = std::min(kInputBytes, file_.size() - offset_);
  if (count == 0) return false;
  input_.resize(static_cast<size_t>(count));
  file_.read_at(offset_, input_.data(), count);
  offset_ += count;
  inflater_->stream.next_in = input_.data();
  inflater_->stream.avail_in = static_cast<uInt>(count);
  return true;
}

/// Begins the next member; false when the file ends after the last one.
bool ContentReader::next_member() {
  z_stream& stream = inflater_->stream;
  if (stream.avail_in == 0 && !refill()) return false;
  const int64_t at = offset_ - static_cast<int64_t>(stream.avail_in);
  RELA_CHECK(*stream.next_in == 0x1f, DataError, path(), ": ", file_.size() - at,
             " bytes from offset ", at,
             " follow the end of the gzip data; the file is padded, fetch it again");
  inflateReset(&stream);
  inflater_->between_members = false;
  return true;
}

/// At least one byte, unless the member ends.
int64_t ContentReader::inflate_some(uint8_t* out, int64_t bytes) {
  z_stream& stream = inflater_->stream;
  stream.next_out = out;
  stream.avail_out = static_cast<uInt>(bytes);
  while (stream.avail_out == static_cast<uInt>(bytes)) {
    RELA_CHECK(stream.avail_in > 0 || refill(), DataError, path(), ": the gzip data end at offset ",
               offset_, ", before they are complete; the file is truncated, fetch it again");
    const int code = inflate(&stream, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      inflater_->between_members = true;
      break;
    }
    RELA_CHECK(code == Z_OK || code == Z_BUF_ERROR, DataError, path(),
               ": damaged gzip data near offset ", offset_ - static_cast<int64_t>(stream.avail_in),
               " (", stream.msg != nullptr ? stream.msg : "zlib's error " + std::to_string(code),
               "); fetch it again");
  }
  return bytes - static_cast<int64_t>(stream.avail_out);
}

}  // namespace rela
