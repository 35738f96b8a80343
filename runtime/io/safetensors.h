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
#include "runtime/io/weights_file.h"

namespace rela {

using SafetensorsMetadata = std::map<std::string, std::string>;

/// Whether bytes after the last tensor are refused or ignored. Some published files have a few.
enum class TrailingBytes : uint8_t { kRefuse, kIgnore };

/// Reads the header once, tensors on demand; entries() are in the order of their bytes.
/// Throws WeightsError naming the file, the tensor and what is wrong; IoError if the file cannot be
/// read.
class SafetensorsReader : public WeightsFile {
 public:
  explicit SafetensorsReader(std::string path, TrailingBytes trailing = TrailingBytes::kRefuse);

  const SafetensorsMetadata& metadata() const { return metadata_; }
  std::string format() const override { return "safetensors"; }

 private:
  void read_bytes(size_t index, int64_t first, int64_t bytes, void* out) const override;

  InputFile file_;
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
