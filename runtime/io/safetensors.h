#pragma once
// The safetensors format: u64 header length, JSON header, then the tensors' bytes, little-endian,
// in C order. Nothing in a file is trusted: lengths, overlaps, gaps, products and duplicates are
// checked before memory is allocated.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/io/file.h"
#include "runtime/shape.h"

namespace rela {

/// Element types that a file can contain; programs compute with only some of them.
enum class WireDtype : uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBf16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
  kC64,
  kF4,
  kF6E2M3,
  kF6E3M2,
};

int wire_dtype_bits(WireDtype dtype);
/// As written in a header: "F32", "BF16", "F8_E4M3", ...
const char* wire_dtype_name(WireDtype dtype);

using SafetensorsMetadata = std::map<std::string, std::string>;

struct SafetensorsEntry {
  std::string name;
  WireDtype dtype = WireDtype::kF32;
  Shape shape;
  int64_t offset = 0;  // of its first byte in the file
  int64_t bytes = 0;
};

/// Whether bytes after the last tensor are refused or ignored. Some published files have a few.
enum class TrailingBytes : uint8_t { kRefuse, kIgnore };

/// Reads the header once, tensors on demand.
/// Throws WeightsError naming the file, the tensor and what is wrong; IoError if the file cannot be
/// read.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(std::string path, TrailingBytes trailing = TrailingBytes::kRefuse);

  const std::string& path() const { return file_.path(); }
  const std::vector<SafetensorsEntry>& entries() const {
    return entries_;
  }  // in the order of their bytes
  const SafetensorsMetadata& metadata() const { return metadata_; }
  /// Null when the file has no tensor of that name.
  const SafetensorsEntry* find(const std::string& name) const;
  /// The tensor's bytes as they are in the file; `bytes` must be the entry's.
  void read_into(const std::string& name, void* out, int64_t bytes) const;
  /// F32, F16, BF16 or F64 as f32 (F64 rounds to nearest); `count` must be the entry's element
  /// count. Throws WeightsError for any other dtype.
  void read_as_f32(const std::string& name, float* out, int64_t count) const;

 private:
  const SafetensorsEntry& at(const std::string& name) const;

  InputFile file_;
  std::vector<SafetensorsEntry> entries_;
  std::map<std::string, size_t> index_;
  SafetensorsMetadata metadata_;
};

/// A tensor to write: contiguous, in C order; null data only when it has no elements.
struct SafetensorsTensor {
  std::string name;
  WireDtype dtype = WireDtype::kF32;
  Shape shape;
  const void* data = nullptr;
};

/// Writes a whole file atomically: tensors by dtype (widest first), then by name, header padded to
/// 8 bytes. The same input gives the same bytes. Throws WeightsError for a duplicate or reserved
/// name, text that is not UTF-8 or a header beyond 100,000,000 bytes; IoError when writing fails.
void write_safetensors(const std::string& path, std::span<const SafetensorsTensor> tensors,
                       const SafetensorsMetadata& metadata = {});

}  // namespace rela
