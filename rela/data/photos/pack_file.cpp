#include "rela/data/photos/pack_file.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/error.h"
#include "runtime/io/hash.h"

namespace rela {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie");

constexpr std::string_view kMagic = "RELAPACK";
constexpr uint64_t kVersion = 1;
constexpr int64_t kHeaderBytes = 16;
constexpr int64_t kFooterBytes = 48;

struct Footer {
  char magic[8];
  uint64_t version, index_offset, index_bytes, index_hash, images;
};
static_assert(sizeof(Footer) == kFooterBytes);

class Writer {
 public:
  void numbers(const std::vector<int64_t>& values) {
    count(static_cast<int64_t>(values.size()));
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * 8);
  }
  void texts(const TextList& list) {
    numbers(list.ends());
    bytes_ += list.letters();
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void count(int64_t n) { bytes_.append(reinterpret_cast<const char*>(&n), 8); }
  std::string bytes_;
};

/// Nothing of what is read is trusted; whole() says whether it made sense.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  std::vector<int64_t> numbers() {
    uint64_t n = 0;
    if (!take(&n, 8) || n > bytes_.size() / 8) return fail();
    std::vector<int64_t> values(n);
    take(values.data(), n * 8);
    return values;
  }
  TextList texts() {
    std::vector<int64_t> ends = numbers();
    const int64_t letters = ends.empty() ? 0 : ends.back();
    TextList list;
    if (letters < 0 || static_cast<uint64_t>(letters) > bytes_.size()) {
      fail();
      return list;
    }
    std::string text(bytes_.substr(0, static_cast<size_t>(letters)));
    bytes_.remove_prefix(static_cast<size_t>(letters));
    if (!list.assign(std::move(text), std::move(ends))) fail();
    return list;
  }
  bool whole() const { return good_ && bytes_.empty(); }

 private:
  bool take(void* out, size_t bytes) {
    if (bytes > bytes_.size()) return good_ = false;
    if (bytes > 0) std::memcpy(out, bytes_.data(), bytes);
    bytes_.remove_prefix(bytes);
    return true;
  }
  std::vector<int64_t> fail() {
    good_ = false;
    return {};
  }
  std::string_view bytes_;
  bool good_ = true;
};

class PackBytes : public PhotoBytes {
 public:
  PackBytes(InputFile file, std::vector<int64_t> hashes)
      : file_(std::move(file)), hashes_(std::move(hashes)) {}
  std::span<const uint8_t> read(const PhotoIndex& index, int64_t image,
                                std::vector<uint8_t>& buffer) const override {
    const auto i = static_cast<size_t>(image);
    const int64_t bytes = index.sizes[i];
    if (buffer.size() < static_cast<size_t>(bytes)) buffer.resize(static_cast<size_t>(bytes));
    file_.read_at(index.offset[i], buffer.data(), bytes);
    const auto position =
        static_cast<size_t>(index.file[i]);  // in the pack: others may be left out
    RELA_CHECK(static_cast<int64_t>(content_hash(buffer.data(), bytes)) == hashes_[position],
               DataError, "the packed file is damaged here (its checksum differs)");
    return {buffer.data(), static_cast<size_t>(bytes)};
  }

 private:
  InputFile file_;
  std::vector<int64_t> hashes_;
};

bool begins_as_pack(const InputFile& file) {
  char head[kHeaderBytes];
  if (file.size() < kHeaderBytes) return false;
  file.read_at(0, head, kHeaderBytes);
  return std::string_view(head, kMagic.size()) == kMagic;
}

Footer read_footer(const InputFile& file) {
  Footer footer{};
  const bool is_long = file.size() >= kHeaderBytes + kFooterBytes;
  RELA_CHECK(is_long && begins_as_pack(file), DataError, file.path(),
             ": not a packed data set; pack writes one");
  file.read_at(file.size() - kFooterBytes, &footer, kFooterBytes);
  RELA_CHECK(std::string_view(footer.magic, 8) == kMagic, DataError, file.path(),
             ": does not end as packed files do: it is cut short, or something was added; fetch or "
             "pack it again");
  RELA_CHECK(footer.version == kVersion, DataError, file.path(), ": version ", footer.version,
             " of the format; this program reads ", kVersion);
  const auto before = static_cast<uint64_t>(file.size() - kFooterBytes);
  RELA_CHECK(footer.index_offset <= before && footer.index_bytes == before - footer.index_offset,
             DataError, file.path(), ": damaged; fetch or pack it again");
  return footer;
}

bool fits(const PhotoIndex& index, const std::vector<int64_t>& hashes, const Footer& footer) {
  const size_t n = footer.images;
  if (index.size() != static_cast<int64_t>(n) || index.labels.size() != n ||
      index.sizes.size() != n || index.offset.size() != n || hashes.size() != n) {
    return false;
  }
  const auto end = static_cast<int64_t>(footer.index_offset);
  for (size_t i = 0; i < n; ++i) {
    const bool lies_inside = index.offset[i] >= kHeaderBytes && index.offset[i] <= end &&
                             index.sizes[i] >= 0 && index.sizes[i] <= end - index.offset[i];
    const bool has_class =
        index.labels[i] >= 0 && index.labels[i] < std::max<int64_t>(index.classes.size(), 1);
    if (!lies_inside || !has_class) return false;
  }
  return true;
}

}  // namespace

PackWriter::PackWriter(const std::string& path, const TextList& classes) : file_(path) {
  index_.classes = classes;
  file_.write(kMagic);
  file_.write(&kVersion, 8);
  position_ = kHeaderBytes;
}

void PackWriter::add(std::string_view name, int64_t label, std::span<const uint8_t> image) {
  const auto bytes = static_cast<int64_t>(image.size());
  file_.write(image.data(), bytes);
  index_.names.add(name);
  index_.labels.push_back(label);
  index_.sizes.push_back(bytes);
  index_.offset.push_back(position_);
  hashes_.push_back(static_cast<int64_t>(content_hash(image.data(), bytes)));
  position_ += bytes;
}

void PackWriter::commit() {
  Writer writer;
  writer.texts(index_.classes);
  writer.texts(index_.names);
  for (const auto* numbers : {&index_.labels, &index_.sizes, &index_.offset, &hashes_}) {
    writer.numbers(*numbers);
  }
  const std::string& bytes = writer.bytes();
  Footer footer{.magic = {},
                .version = kVersion,
                .index_offset = static_cast<uint64_t>(position_),
                .index_bytes = bytes.size(),
                .index_hash = content_hash(bytes.data(), static_cast<int64_t>(bytes.size())),
                .images = static_cast<uint64_t>(index_.size())};
  std::memcpy(footer.magic, kMagic.data(), kMagic.size());
  file_.write(bytes);
  file_.write(&footer, kFooterBytes);
  file_.commit();
}

bool is_pack(const std::string& path) { return begins_as_pack(InputFile(path)); }

PackedPhotos open_pack(const std::string& path) {
  InputFile file(path);
  const Footer footer = read_footer(file);
  std::string bytes(footer.index_bytes, '\0');
  file.read_at(static_cast<int64_t>(footer.index_offset), bytes.data(),
               static_cast<int64_t>(bytes.size()));
  PackedPhotos packed;
  Reader reader(bytes);
  PhotoIndex& index = packed.index;
  index.classes = reader.texts();
  index.names = reader.texts();
  index.labels = reader.numbers();
  index.sizes = reader.numbers();
  index.offset = reader.numbers();
  std::vector<int64_t> hashes = reader.numbers();
  const uint64_t hash = content_hash(bytes.data(), static_cast<int64_t>(bytes.size()));
  RELA_CHECK(hash == footer.index_hash && reader.whole() && fits(index, hashes, footer), DataError,
             path, ": the index is damaged; fetch or pack it again");
  index.file.resize(index.offset.size());
  for (size_t i = 0; i < index.file.size(); ++i) index.file[i] = static_cast<int64_t>(i);
  packed.bytes = std::make_unique<PackBytes>(std::move(file), std::move(hashes));
  return packed;
}

}  // namespace rela
