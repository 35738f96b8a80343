#include "runtime/io/zip_archive.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "runtime/error.h"
#include "runtime/io/quoted.h"

namespace rela {
namespace {

constexpr std::string_view kLocalSignature("PK\x03\x04", 4);
constexpr std::string_view kCentralSignature("PK\x01\x02", 4);
constexpr std::string_view kEndSignature("PK\x05\x06", 4);
constexpr std::string_view kEnd64Signature("PK\x06\x06", 4);
constexpr std::string_view kLocator64Signature("PK\x06\x07", 4);

// Sizes of the fixed parts, signatures included.
constexpr int64_t kLocalBytes = 30;
constexpr int64_t kCentralBytes = 46;
constexpr int64_t kEndBytes = 22;
constexpr int64_t kEnd64Bytes = 56;
constexpr int64_t kLocator64Bytes = 20;

constexpr int64_t kMaxCommentBytes = 0xffff;
constexpr uint64_t kIn64 = 0xffffffff;  // a 32-bit field whose value is in the ZIP64 part
constexpr uint16_t kZip64Field = 1;     // an extra field's kind
constexpr int64_t kMaxEntries = 200'000;
constexpr int64_t kMaxDirectoryBytes = int64_t{64} << 20;
constexpr uint16_t kEncrypted = 1;
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;

/// An integer of `size` bytes; the caller has checked that they are there.
uint64_t number(std::string_view bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}
uint16_t u16(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(number(bytes, at, 2));
}

struct Directory {
  int64_t offset = 0;  // in the file
  int64_t bytes = 0;
  int64_t entries = 0;
};

/// What the central directory says of an entry.
struct Listed {
  ZipEntry entry;
  int64_t header_offset = 0;
};

class Reader {
 public:
  explicit Reader(const InputFile& file) : file_(file) {}

  std::vector<ZipEntry> entries() const {
    const Directory directory = find_directory();
    std::vector<Listed> listed = list(directory);
    std::sort(listed.begin(), listed.end(), [](const Listed& a, const Listed& b) {
      return std::tie(a.header_offset, a.entry.name) < std::tie(b.header_offset, b.entry.name);
    });
    std::vector<ZipEntry> entries;
    int64_t end = 0;  // of the entry before
    for (Listed& item : listed) {
      check(item.header_offset >= end, "entry ", quoted(item.entry.name), " begins at byte ",
            item.header_offset, ", inside the entry before it, which ends at ", end);
      locate(item, directory.offset);
      end = item.entry.offset + item.entry.packed_bytes;
      entries.push_back(std::move(item.entry));
    }
    return entries;
  }

  template <class... Args>
  void check(bool condition, const Args&... args) const {
    if (!condition) {
      throw WeightsError(cat(file_.path(), ": ", args..., "; the archive is damaged"));
    }
  }

 private:
  std::string bytes_at(int64_t offset, int64_t bytes, const char* what) const {
    check(offset >= 0 && bytes >= 0 && offset <= file_.size() - bytes, what, ", ", bytes,
          " bytes at ", offset, ", is beyond the file's ", file_.size());
    std::string out(static_cast<size_t>(bytes), '\0');
    file_.read_at(offset, out.data(), bytes);
    return out;
  }

  /// A file offset or size; no file is so large that it does not fit.
  int64_t small(uint64_t value, const char* what) const {
    check(value <= static_cast<uint64_t>(INT64_MAX), what, " of ", value, " is beyond any file");
    return static_cast<int64_t>(value);
  }

  Directory find_directory() const {
    const int64_t tail_bytes = std::min(file_.size(), kEndBytes + kMaxCommentBytes);
    const int64_t tail_at = file_.size() - tail_bytes;
    const std::string tail = bytes_at(tail_at, tail_bytes, "the end");
    for (int64_t at = tail_bytes - kEndBytes; at >= 0; --at) {
      const std::string_view end = std::string_view(tail).substr(static_cast<size_t>(at));
      if (!end.starts_with(kEndSignature)) continue;
      // Its comment reaches to the file's last byte: what looks like it in a comment does not count
      if (at + kEndBytes + u16(end, 20) == tail_bytes) return read_end(end, tail_at + at);
    }
    throw WeightsError(cat(file_.path(),
                           ": a ZIP archive without its list of contents, which is "
                           "at the end; the file is cut short or damaged"));
  }

  Directory read_end(std::string_view end, int64_t at) const {
    check(u16(end, 4) == u16(end, 6), "an archive in several files");
    const uint64_t entries = u16(end, 10);
    const uint64_t bytes = number(end, 12, 4);
    const uint64_t offset = number(end, 16, 4);
    const bool is_64 = entries == 0xffff || bytes == kIn64 || offset == kIn64;
    Directory out{small(offset, "offset"), small(bytes, "size"), small(entries, "count")};
    int64_t limit = at;
    if (is_64) std::tie(out, limit) = read_end64(at);
    check(out.entries <= kMaxEntries, out.entries, " entries; at most ", kMaxEntries,
          " are accepted");
    check(out.bytes <= kMaxDirectoryBytes, "a list of contents of ", out.bytes, " bytes; at most ",
          kMaxDirectoryBytes, " are accepted");
    check(out.offset <= limit && out.bytes <= limit - out.offset, "the list of contents, ",
          out.bytes, " bytes at ", out.offset, ", is beyond its end at ", limit);
    return out;
  }

  /// The directory, and where it has to end.
  std::pair<Directory, int64_t> read_end64(int64_t end_at) const {
    const std::string locator =
        bytes_at(end_at - kLocator64Bytes, kLocator64Bytes, "the ZIP64 locator");
    check(locator.starts_with(kLocator64Signature), "the ZIP64 locator is missing");
    const int64_t at = small(number(locator, 8, 8), "offset");
    check(at <= end_at - kLocator64Bytes - kEnd64Bytes, "the ZIP64 end is said to be at ", at);
    const std::string end = bytes_at(at, kEnd64Bytes, "the ZIP64 end");
    check(end.starts_with(kEnd64Signature), "the ZIP64 end is missing");
    check(number(end, 16, 4) == number(end, 20, 4), "an archive in several files");
    return {Directory{small(number(end, 48, 8), "offset"), small(number(end, 40, 8), "size"),
                      small(number(end, 32, 8), "count")},
            at};
  }

  std::vector<Listed> list(const Directory& directory) const {
    const std::string bytes = bytes_at(directory.offset, directory.bytes, "the list of contents");
    std::vector<Listed> listed;
    std::string_view rest = bytes;
    for (int64_t i = 0; i < directory.entries; ++i) listed.push_back(next(rest));
    check(rest.empty(), rest.size(), " bytes after the last of ", directory.entries,
          " entries in the list of contents");
    return listed;
  }

  /// Takes an entry off the front of the directory's rest.
  Listed next(std::string_view& rest) const {
    check(rest.size() >= kCentralBytes && rest.starts_with(kCentralSignature),
          "the list of contents ends early or holds something else");
    const size_t name_bytes = u16(rest, 28);
    const size_t extra_bytes = u16(rest, 30);
    const size_t all = kCentralBytes + name_bytes + extra_bytes + u16(rest, 32);
    check(all <= rest.size(), "the list of contents ends inside an entry");
    Listed out;
    out.entry.name = rest.substr(kCentralBytes, name_bytes);
    check_supported(out.entry.name, rest);
    out.entry.is_deflated = u16(rest, 10) == kDeflated;
    out.entry.crc = static_cast<uint32_t>(number(rest, 16, 4));
    // In this order in the ZIP64 field, each if the 32-bit field says so.
    uint64_t sizes[] = {number(rest, 24, 4), number(rest, 20, 4), number(rest, 42, 4)};
    read_zip64(rest.substr(kCentralBytes + name_bytes, extra_bytes), sizes, out.entry.name);
    out.entry.bytes = small(sizes[0], "size");
    out.entry.packed_bytes = small(sizes[1], "size");
    out.header_offset = small(sizes[2], "offset");
    check(out.entry.is_deflated || out.entry.bytes == out.entry.packed_bytes, "entry ",
          quoted(out.entry.name), " is stored in ", out.entry.packed_bytes, " bytes and has ",
          out.entry.bytes);
    rest.remove_prefix(all);
    return out;
  }

  void check_supported(const std::string& name, std::string_view central) const {
    check(!name.empty() && name.find('\0') == std::string::npos, "an entry ", quoted(name),
          ", whose name is empty or holds a NUL byte");
    RELA_CHECK((u16(central, 8) & kEncrypted) == 0, WeightsError, file_.path(), ": entry ",
               quoted(name), " is encrypted; only archives without a password are read");
    const uint16_t method = u16(central, 10);
    RELA_CHECK(method == kStored || method == kDeflated, WeightsError, file_.path(), ": entry ",
               quoted(name), " is packed with method ", method,
               "; stored (0) and deflate (8) are read: pack it again, or save it with torch.save");
  }

  void read_zip64(std::string_view extra, uint64_t (&sizes)[3], const std::string& name) const {
    const bool is_needed = std::ranges::find(sizes, kIn64) != std::end(sizes);
    while (is_needed && extra.size() >= 4) {
      const uint16_t kind = u16(extra, 0);
      std::string_view field = extra.substr(4);
      check(u16(extra, 2) <= field.size(), "an extra field of entry ", quoted(name),
            " ends beyond it");
      field = field.substr(0, u16(extra, 2));
      extra.remove_prefix(4 + field.size());
      if (kind != kZip64Field) continue;
      for (uint64_t& size : sizes) {
        if (size != kIn64) continue;
        check(field.size() >= 8, "the ZIP64 field of entry ", quoted(name), " is too short");
        size = number(field, 0, 8);
        field.remove_prefix(8);
      }
      return;
    }
    check(!is_needed, "entry ", quoted(name), " has no ZIP64 field and needs one");
  }

  /// Sets where the entry's bytes begin, which only its own header says.
  void locate(Listed& item, int64_t directory_at) const {
    ZipEntry& entry = item.entry;
    const std::string what = cat("the header of entry ", quoted(entry.name));
    const std::string local = bytes_at(item.header_offset, kLocalBytes, what.c_str());
    check(local.starts_with(kLocalSignature), what, " is not at byte ", item.header_offset);
    const int64_t name_bytes = u16(local, 26);
    check(name_bytes == static_cast<int64_t>(entry.name.size()) &&
              bytes_at(item.header_offset + kLocalBytes, name_bytes, what.c_str()) == entry.name,
          what, " has another name than the list of contents");
    entry.offset = item.header_offset + kLocalBytes + name_bytes + u16(local, 28);
    check(entry.offset <= directory_at && entry.packed_bytes <= directory_at - entry.offset,
          "entry ", quoted(entry.name), ", ", entry.packed_bytes, " bytes at ", entry.offset,
          ", reaches into the list of contents at ", directory_at);
  }

  const InputFile& file_;
};

/// Unpacks into a text that has the right size; false if it is not what was packed.
bool inflate_into(const std::string& packed, std::string& out) {
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;  // without zlib's own header
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = inflate(&stream, Z_FINISH);
  const bool is_whole = code == Z_STREAM_END && stream.avail_out == 0 && stream.avail_in == 0;
  inflateEnd(&stream);
  return is_whole;
}

}  // namespace

bool is_zip(std::string_view start) { return start.starts_with(kLocalSignature); }

ZipArchive::ZipArchive(const InputFile& file) : file_(file) {
  const Reader reader(file);
  entries_ = reader.entries();
  for (size_t i = 0; i < entries_.size(); ++i) {
    const bool is_new = index_.emplace(entries_[i].name, i).second;
    reader.check(is_new, "entry ", quoted(entries_[i].name), " is there twice");
  }
}

const ZipEntry* ZipArchive::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::string ZipArchive::read(const ZipEntry& entry, int64_t max_bytes) const {
  constexpr int64_t kMostOfDeflate = 1032;  // bytes from one, as its format allows at most
  const Reader reader(file_);
  RELA_CHECK(entry.bytes <= max_bytes && entry.packed_bytes <= max_bytes, WeightsError,
             file_.path(), ": entry ", quoted(entry.name), " has ", entry.bytes, " bytes; at most ",
             max_bytes, " are accepted");
  reader.check(entry.bytes / kMostOfDeflate <= entry.packed_bytes, "entry ", quoted(entry.name),
               " is said to have ", entry.bytes, " bytes in ", entry.packed_bytes);
  std::string packed(static_cast<size_t>(entry.packed_bytes), '\0');
  file_.read_at(entry.offset, packed.data(), entry.packed_bytes);
  std::string out;
  if (entry.is_deflated) {
    out.resize(static_cast<size_t>(entry.bytes));
    reader.check(inflate_into(packed, out), "entry ", quoted(entry.name), " cannot be unpacked");
  } else {
    out = std::move(packed);
  }
  const bool has_crc = entry.crc != 0 || entry.is_deflated;  // torch.save may leave them out
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(out.data()), out.size());
  reader.check(!has_crc || crc == entry.crc, "entry ", quoted(entry.name), " fails its checksum");
  return out;
}

}  // namespace rela
