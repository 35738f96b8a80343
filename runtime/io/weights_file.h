#pragma once
// Named tensors in a file, whatever its format: runtime/io/open_weights.h opens one.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/io/wire_dtype.h"
#include "runtime/shape.h"

namespace rela {

struct WeightsEntry {
  std::string name;
  WireDtype dtype = WireDtype::kF32;
  Shape shape;
  int64_t offset = 0;  // in the file, of its first byte
  int64_t bytes = 0;   // of its elements
};

/// Knows names and shapes once it is open, reads tensors on demand. Errors name the file and the
/// tensor: WeightsError for what does not fit, IoError for what cannot be read.
class WeightsFile {
 public:
  virtual ~WeightsFile() = default;
  WeightsFile(const WeightsFile&) = delete;
  WeightsFile& operator=(const WeightsFile&) = delete;

  const std::string& path() const { return path_; }
  const std::vector<WeightsEntry>& entries() const { return entries_; }
  /// Null when the file has no tensor of that name.
  const WeightsEntry* find(const std::string& name) const;
  /// The tensor's elements in C order, little-endian; `bytes` must be the entry's.
  void read_into(const std::string& name, void* out, int64_t bytes) const;
  /// F32, F16, BF16 or F64 as f32 (F64 rounds to nearest); `count` must be the entry's element
  /// count. Throws WeightsError for any other dtype.
  void read_as_f32(const std::string& name, float* out, int64_t count) const;

  /// For messages: "safetensors", "PyTorch zip archive", ...
  virtual std::string format() const = 0;
  /// Of which the weights consist, in a fixed order.
  virtual std::vector<std::string> files() const { return {path_}; }

 protected:
  explicit WeightsFile(std::string path);
  /// The entries that the readers look at. Throws WeightsError if two have the same name.
  void set_entries(std::vector<WeightsEntry> entries);
  /// Bytes [first, first + bytes) of entry number `index`, in whole elements.
  virtual void read_bytes(size_t index, int64_t first, int64_t bytes, void* out) const = 0;
  /// Another file's elements, for files that are made of others.
  static void read_bytes_of(const WeightsFile& file, size_t index, int64_t first, int64_t bytes,
                            void* out) {
    file.read_bytes(index, first, bytes, out);
  }

 private:
  size_t index_of(const std::string& name) const;

  std::string path_;
  std::vector<WeightsEntry> entries_;
  std::map<std::string, size_t> index_;
};

/// The weights as they are used to name something for good: SHA-256 of the only file, or of the
/// hashes of all.
std::string sha256_of(const WeightsFile& weights);

}  // namespace rela
