#include "rela/data/photos/tar_archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "runtime/error.h"
#include "runtime/log.h"

namespace rela {
namespace {

constexpr int64_t kChunk = 64 * 1024;  // that libarchive reads at a time

/// One archive: a part of a file.
struct Part {
  const InputFile& file;
  int64_t begin = 0;
  int64_t size = 0;
  int64_t position = 0;
  std::vector<char> buffer = std::vector<char>(kChunk);
};

la_ssize_t read_part(archive* a, void* part_pointer, const void** data) {
  auto* part = static_cast<Part*>(part_pointer);
  const int64_t bytes = std::min(kChunk, part->size - part->position);
  try {
    part->file.read_at(part->begin + part->position, part->buffer.data(), bytes);
  } catch (const std::exception& e) {
    archive_set_error(a, 5, "%s", e.what());
    return ARCHIVE_FATAL;
  }
  part->position += bytes;
  *data = part->buffer.data();
  return bytes;
}

la_int64_t skip_part(archive*, void* part_pointer, la_int64_t wanted) {
  auto* part = static_cast<Part*>(part_pointer);
  const int64_t bytes = std::min<int64_t>(wanted, part->size - part->position);
  part->position += bytes;
  return bytes;
}

}  // namespace

class TarArchive::Reader {
 public:
  Reader(const InputFile& file, int64_t begin, int64_t size, std::string name)
      : part_{file, begin, size}, name_(std::move(name)), archive_(archive_read_new()) {
    RELA_CHECK(archive_ != nullptr, OutOfMemoryError, "tar: no memory");
    archive_read_support_format_tar(archive_.get());
    archive_read_support_format_empty(archive_.get());
    const int state =
        archive_read_open2(archive_.get(), &part_, nullptr, read_part, skip_part, nullptr);
    check(state);
  }

  /// The next regular file or hard link; none at the end.
  std::optional<TarMember> next() {
    archive_entry* entry = nullptr;
    while (true) {
      const int state = archive_read_next_header(archive_.get(), &entry);
      if (state == ARCHIVE_EOF) {
        warn_of_what_is_left_out();
        return std::nullopt;
      }
      check(state);
      const char* path = archive_entry_pathname(entry);
      const std::string member = path == nullptr ? "?" : path;
      if (const char* target = archive_entry_hardlink(entry))
        return TarMember{.path = clean(member), .link_to = clean(target)};
      symbolic_links_ += archive_entry_filetype(entry) == AE_IFLNK ? 1 : 0;
      if (archive_entry_filetype(entry) != AE_IFREG) continue;
      const int64_t bytes = archive_entry_size(entry);
      RELA_CHECK(archive_entry_sparse_count(entry) == 0, DataError, name_, ": ", member,
                 " is stored with holes; write the archive without tar's --sparse");
      const int64_t offset = data_offset(bytes, member);
      return TarMember{clean(member), offset, bytes};
    }
  }

 private:
  struct Free {
    void operator()(archive* a) const { archive_read_free(a); }
  };

  static std::string clean(std::string path) {
    while (path.starts_with("./")) path.erase(0, 2);
    while (path.starts_with('/')) path.erase(0, 1);
    return path;
  }

  void warn_of_what_is_left_out() const {
    if (symbolic_links_ > 0) {
      log_warning(name_, ": ", symbolic_links_,
                  symbolic_links_ == 1 ? " symbolic link is" : " symbolic links are",
                  " left out; write the archive with tar --dereference");
    }
    warn_of_a_missing_end();
    // Zeros fill the last block of an archive.
    std::vector<char> chunk(kChunk);
    for (int64_t at = archive_filter_bytes(archive_.get(), 0); at < part_.size; at += kChunk) {
      const int64_t bytes = std::min(kChunk, part_.size - at);
      part_.file.read_at(part_.begin + at, chunk.data(), bytes);
      const auto end = chunk.begin() + bytes;
      const auto first = std::find_if(chunk.begin(), end, [](char c) { return c != 0; });
      if (first == end) continue;
      log_warning(name_, ": ", part_.size - at - (first - chunk.begin()),
                  " bytes after the end of the archive are not read; archives that were joined by "
                  "cat have to be kept apart, as files in one folder");
      return;
    }
  }

  /// Blocks of zeros end an archive; libarchive does without.
  void warn_of_a_missing_end() const {
    constexpr int64_t kBlock = 512;
    if (part_.size < kBlock || archive_filter_bytes(archive_.get(), 0) < part_.size) return;
    std::vector<char> last(kBlock);
    part_.file.read_at(part_.begin + part_.size - kBlock, last.data(), kBlock);
    if (std::ranges::all_of(last, [](char c) { return c == 0; })) return;
    log_warning(name_,
                ": the end of the archive is missing; if it was cut short, pictures are, too");
  }

  void check(int state) const {
    if (state == ARCHIVE_OK || state == ARCHIVE_WARN) return;
    const char* reason = archive_error_string(archive_.get());
    throw DataError(cat(
        name_, ": not a plain tar archive, or damaged: ", reason == nullptr ? "unknown" : reason,
        "; a compressed one has to be unpacked to a plain .tar once"));
  }

  /// libarchive tells where a member's headers begin. They are blocks of 512 bytes; its data begin
  /// where what it reads of them is found.
  int64_t data_offset(int64_t bytes, const std::string& member) {
    char head[512];
    const auto wanted = static_cast<size_t>(std::min<int64_t>(bytes, sizeof head));
    const la_ssize_t got = archive_read_data(archive_.get(), head, wanted);
    RELA_CHECK(got == static_cast<la_ssize_t>(wanted), DataError, name_, ": cut short in ", member);
    const int64_t begin = part_.begin + archive_filter_bytes(archive_.get(), 0);
    RELA_CHECK(begin + bytes <= part_.begin + part_.size + 512, DataError, name_, ": cut short in ",
               member);
    // What was consumed when the head had been read: the header, or header and head.
    for (const int64_t offset : {begin, begin + 512, begin - 512, begin - got}) {
      if (offset < part_.begin + 512 || offset + bytes > part_.begin + part_.size) continue;
      char found[512];
      part_.file.read_at(offset, found, got);
      if (offset % 512 == part_.begin % 512 && std::equal(head, head + got, found) &&
          is_header_before(offset, bytes)) {
        return offset;
      }
    }
    throw DataError(cat(name_, ": the place of ", member, " cannot be found; write it anew"));
  }

  /// Whether the block before the data is a header that announces so many bytes.
  bool is_header_before(int64_t offset, int64_t bytes) const {
    char header[512];
    part_.file.read_at(offset - 512, header, sizeof header);
    if (static_cast<uint8_t>(header[124]) >= 0x80) return true;  // a number above 8 GB, in binary
    const std::string octal(header + 124, 12);
    const int64_t announced = std::strtoll(octal.c_str(), nullptr, 8);
    return announced == bytes || announced == 0;  // 0: the size is in a pax header
  }

  Part part_;
  std::string name_;
  std::unique_ptr<archive, Free> archive_;
  int64_t symbolic_links_ = 0;
};

TarArchive::TarArchive(const InputFile& file, int64_t begin, int64_t bytes, std::string name)
    : reader_(std::make_unique<Reader>(file, begin, bytes, std::move(name))) {}
TarArchive::~TarArchive() = default;

std::optional<TarMember> TarArchive::next() { return reader_->next(); }

}  // namespace rela
