#pragma once
// ZIP archives byte by byte, for tests: sound ones, and any field may be wrong.

#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

namespace rela::test {

/// Little-endian.
inline std::string le(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

inline uint32_t crc_of(const std::string& text) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

struct ZipMember {
  std::string name;
  std::string data{};
  uint16_t flags = 0;
  uint16_t method = 0;
  int64_t size = -1;    // unpacked, in the list of contents; -1: the data's
  int64_t packed = -1;  // the same, packed
  int64_t offset = -1;  // of its header, in the list of contents; -1: where it is
  int64_t crc = -1;     // -1: the data's
  std::string local{};  // its name in its own header; empty: the same
  std::string extra{};  // in the list of contents
};

inline std::string zip_header(const ZipMember& m) {
  const std::string& name = m.local.empty() ? m.name : m.local;
  return "PK\x03\x04" + le(20, 2) + le(m.flags, 2) + le(m.method, 2) + le(0, 4) +
         le(crc_of(m.data), 4) + le(m.data.size(), 4) + le(m.data.size(), 4) + le(name.size(), 2) +
         le(0, 2) + name;
}

inline std::string zip_listing(const ZipMember& m, size_t at) {
  const auto or_else = [](int64_t given, uint64_t usual) {
    return given < 0 ? usual : static_cast<uint64_t>(given);
  };
  return "PK\x01\x02" + le(20, 2) + le(20, 2) + le(m.flags, 2) + le(m.method, 2) + le(0, 4) +
         le(or_else(m.crc, crc_of(m.data)), 4) + le(or_else(m.packed, m.data.size()), 4) +
         le(or_else(m.size, m.data.size()), 4) + le(m.name.size(), 2) + le(m.extra.size(), 2) +
         le(0, 2) + le(0, 2) + le(0, 2) + le(0, 4) + le(or_else(m.offset, at), 4) + m.name +
         m.extra;
}

inline std::string zip_end(uint64_t count, uint64_t bytes, uint64_t offset,
                           const std::string& comment = "") {
  return "PK\x05\x06" + le(0, 2) + le(0, 2) + le(count, 2) + le(count, 2) + le(bytes, 4) +
         le(offset, 4) + le(comment.size(), 2) + comment;
}

inline std::string zip_bytes(const std::vector<ZipMember>& members) {
  std::string out;
  std::string list;
  for (const ZipMember& m : members) {
    list += zip_listing(m, out.size());
    out += zip_header(m) + m.data;
  }
  const size_t at = out.size();
  return out + list + zip_end(members.size(), list.size(), at);
}

}  // namespace rela::test
