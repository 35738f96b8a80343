#pragma once
// IDX, the file format of MNIST (LeCun, Cortes, Burges): two zero bytes, the type of the elements,
// the number of dimensions, each dimension as a big-endian u32, then the elements, the last
// dimension fastest.

#include <cstdint>
#include <string>
#include <vector>

namespace rela {

struct IdxArray {
  std::vector<int64_t> dims;  // each at least 1
  std::vector<uint8_t> values;
};

enum class IdxKind : uint8_t { kImages, kLabels };  // u8 of 3 dimensions, or of 1

/// Offset of the first element, in the inflated contents.
constexpr int64_t idx_header_bytes(IdxKind kind) { return kind == IdxKind::kImages ? 16 : 8; }

/// Reads a file, plain or gzip. Throws DataError, with file and byte offset (for gzip in what it
/// inflates to), for one of another kind, with a dimension of 0, truncated or padded, and for
/// damaged gzip data; IoError. No more memory is taken than the file can fill.
IdxArray read_idx(const std::string& path, IdxKind kind);

}  // namespace rela
