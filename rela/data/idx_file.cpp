#include "rela/data/idx_file.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/io/content_reader.h"

namespace rela {
namespace {

constexpr uint8_t kU8 = 0x08;

const char* kind_name(IdxKind kind) { return kind == IdxKind::kImages ? "images" : "labels"; }
int64_t rank_of(IdxKind kind) { return kind == IdxKind::kImages ? 3 : 1; }
const char* format_name(IdxKind kind) {
  return kind == IdxKind::kImages ? "idx3-ubyte" : "idx1-ubyte";
}

const char* type_name(uint8_t code) {
  switch (code) {
    case kU8:
      return "u8";
    case 0x09:
      return "i8";
    case 0x0b:
      return "i16";
    case 0x0c:
      return "i32";
    case 0x0d:
      return "f32";
    case 0x0e:
      return "f64";
    default:
      return nullptr;
  }
}

/// What a file is that begins with these four bytes.
std::string describe_magic(const uint8_t* magic) {
  std::string bytes;
  constexpr const char* kDigits = "0123456789abcdef";
  for (int i = 0; i < 4; ++i) {
    if (i > 0) bytes += ' ';
    bytes += kDigits[magic[i] >> 4];
    bytes += kDigits[magic[i] & 15];
  }
  const char* type = type_name(magic[2]);
  if (magic[0] != 0 || magic[1] != 0 || type == nullptr) return bytes + ", no IDX file";
  if (magic[2] == kU8 && magic[3] == 3) return bytes + ", images";
  if (magic[2] == kU8 && magic[3] == 1) return bytes + ", labels";
  return cat(bytes, ", ", type, " of ", static_cast<int>(magic[3]), " dimensions");
}

std::string where(const ContentReader& reader, int64_t offset) {
  return cat("offset ", offset, reader.is_gzip() ? " of what it inflates to" : "");
}

/// Reads exactly `bytes` bytes that start at `offset`.
void read_exactly(ContentReader& reader, uint8_t* out, int64_t bytes, int64_t offset) {
  const int64_t got = reader.read(out, bytes);
  RELA_CHECK(got == bytes, DataError, reader.path(), ": ends at ", where(reader, offset + got),
             " inside the header; the file is truncated, fetch it again");
}

std::vector<int64_t> read_header(ContentReader& reader, IdxKind kind) {
  uint8_t magic[4];
  read_exactly(reader, magic, 4, 0);
  RELA_CHECK(magic[0] == 0 && magic[1] == 0 && magic[2] == kU8 && magic[3] == rank_of(kind),
             DataError, reader.path(), ": starts with ", describe_magic(magic), " at offset 0; ",
             kind_name(kind), " (", format_name(kind), ") start with 00 00 08 0", rank_of(kind));
  std::vector<int64_t> dims;
  for (int64_t i = 0; i < rank_of(kind); ++i) {
    uint8_t bytes[4];
    const int64_t offset = 4 + 4 * i;
    read_exactly(reader, bytes, 4, offset);
    dims.push_back(int64_t{bytes[0]} << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]);
    RELA_CHECK(dims.back() > 0, DataError, reader.path(), ": dimension ", i, " at ",
               where(reader, offset), " is 0; at least 1 is allowed");
  }
  return dims;
}

/// "60000 x 28 x 28".
std::string text_of(const std::vector<int64_t>& dims) {
  std::string text;
  for (const int64_t d : dims) text += cat(text.empty() ? "" : " x ", d);
  return text;
}

/// The number of elements, none that a file of this size cannot hold.
int64_t checked_count(const ContentReader& reader, const std::vector<int64_t>& dims, IdxKind kind) {
  const int64_t room = reader.max_bytes() - idx_header_bytes(kind);
  int64_t count = 1;
  for (const int64_t d : dims) {
    const bool fits = !__builtin_mul_overflow(count, d, &count) && count <= room;
    RELA_CHECK(fits, DataError, reader.path(), ": the header at offset 4 announces ", text_of(dims),
               " bytes of ", kind_name(kind), ", and the file ",
               reader.is_gzip() ? "can inflate to no more than " : "has only ",
               std::max<int64_t>(room, 0),
               " after it; the file is truncated or damaged, fetch it again");
  }
  return count;
}

}  // namespace

IdxArray read_idx(const std::string& path, IdxKind kind) {
  ContentReader reader(path);
  IdxArray array{.dims = read_header(reader, kind), .values = {}};
  const int64_t count = checked_count(reader, array.dims, kind);
  const int64_t begin = idx_header_bytes(kind);
  constexpr int64_t kPiece = int64_t{1} << 24;  // memory follows what really comes
  if (!reader.is_gzip()) array.values.reserve(static_cast<size_t>(count));
  for (int64_t done = 0; done < count;) {
    const int64_t wanted = std::min(kPiece, count - done);
    array.values.resize(static_cast<size_t>(done + wanted));
    const int64_t got = reader.read(array.values.data() + done, wanted);
    done += got;
    RELA_CHECK(got == wanted, DataError, path, ": ", text_of(array.dims), " bytes of ",
               kind_name(kind), " should end at ", where(reader, begin + count),
               " and end at offset ", begin + done, "; the file is truncated, fetch it again");
  }
  uint8_t beyond = 0;
  RELA_CHECK(reader.read(&beyond, 1) == 0, DataError, path, ": ", text_of(array.dims), " bytes of ",
             kind_name(kind), " end at ", where(reader, begin + count),
             ", and more bytes follow; the file is padded or damaged, fetch it again");
  return array;
}

}  // namespace rela
