#pragma once
// Small files in IDX form, and gzip of any bytes.

#include <zlib.h>

#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

#include "runtime/error.h"
#include "tests/support/temp_dir.h"

namespace rela::test {

inline std::string big_endian(uint32_t x) {
  return {static_cast<char>(x >> 24), static_cast<char>(x >> 16), static_cast<char>(x >> 8),
          static_cast<char>(x)};
}

/// The message of the DataError that body() throws.
template <class Body>
std::string data_error_of(Body&& body) {
  try {
    body();
  } catch (const DataError& e) {
    return e.what();
  }
  return "no DataError";
}

/// The header of u8 elements, then `values`.
inline std::string idx(std::initializer_list<uint32_t> dims, std::string_view values,
                       char type = 0x08) {
  std::string bytes{0, 0, type, static_cast<char>(dims.size())};
  for (const uint32_t d : dims) bytes += big_endian(d);
  return bytes.append(values);
}

/// Bytes 0, 1, 2, ...
inline std::string counting(size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes += static_cast<char>(i);
  return bytes;
}

/// One gzip member.
inline std::string gzip(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2 failed");
  }
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("deflate failed");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// Two training images of 2 x 3 pixels with labels 3 and 1, a test image with label 4. `set` as in
/// "emnist-letters-".
inline void write_idx_set(const TempDir& dir, const std::string& set = "") {
  const std::string test = set.empty() ? "t10k" : set + "test";
  dir.write(set + "train-images-idx3-ubyte", idx({2, 2, 3}, counting(12)));
  dir.write(set + "train-labels-idx1-ubyte", idx({2}, "\3\1"));
  dir.write(test + "-images-idx3-ubyte", idx({1, 2, 3}, counting(6)));
  dir.write(test + "-labels-idx1-ubyte", idx({1}, "\4"));
}

}  // namespace rela::test
