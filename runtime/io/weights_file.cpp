#include "runtime/io/weights_file.h"

#include <algorithm>
#include <utility>

#include "runtime/error.h"
#include "runtime/io/hash.h"
#include "runtime/io/quoted.h"

namespace rela {

WeightsFile::WeightsFile(std::string path) : path_(std::move(path)) {}

void WeightsFile::set_entries(std::vector<WeightsEntry> entries) {
  entries_ = std::move(entries);
  index_.clear();
  for (size_t i = 0; i < entries_.size(); ++i) {
    const bool is_new = index_.emplace(entries_[i].name, i).second;
    RELA_CHECK(is_new, WeightsError, path_, ": tensor ", quoted(entries_[i].name),
               ": is there twice; names must be unique");
  }
}

const WeightsEntry* WeightsFile::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

size_t WeightsFile::index_of(const std::string& name) const {
  const auto found = index_.find(name);
  RELA_CHECK(found != index_.end(), WeightsError, path_, ": no tensor ", quoted(name),
             " among its ", entries_.size());
  return found->second;
}

void WeightsFile::read_into(const std::string& name, void* out, int64_t bytes) const {
  const size_t index = index_of(name);
  const WeightsEntry& entry = entries_[index];
  RELA_CHECK(bytes == entry.bytes, WeightsError, path_, ": tensor ", quoted(name), ": holds ",
             entry.bytes, " bytes (", wire_dtype_name(entry.dtype), " ", entry.shape, "), but ",
             bytes, " are wanted");
  read_bytes(index, 0, bytes, out);
}

void WeightsFile::read_as_f32(const std::string& name, float* out, int64_t count) const {
  const size_t index = index_of(name);
  const WeightsEntry& entry = entries_[index];
  RELA_CHECK(is_float(entry.dtype), WeightsError, path_, ": tensor ", quoted(name), ": dtype ",
             wire_dtype_name(entry.dtype), " is not read as f32; F32, F16, BF16 and F64 are");
  RELA_CHECK(count == entry.shape.numel(), WeightsError, path_, ": tensor ", quoted(name),
             ": shape ", entry.shape, " has ", entry.shape.numel(), " elements, but ", count,
             " are wanted");
  constexpr int64_t kPiece = 1 << 16;  // elements: the raw bytes stay in cache
  const int64_t size = wire_dtype_bits(entry.dtype) / 8;
  std::vector<uint8_t> raw(static_cast<size_t>(std::min(count, kPiece) * size));
  for (int64_t done = 0; done < count; done += kPiece) {
    const int64_t now = std::min(count - done, kPiece);
    read_bytes(index, done * size, now * size, raw.data());
    convert_to_f32(entry.dtype, raw.data(), out + done, now);
  }
}

std::string sha256_of(const WeightsFile& weights) {
  const std::vector<std::string> files = weights.files();
  if (files.size() == 1) return sha256_file(files.front());
  Sha256 all;
  for (const std::string& file : files) {
    const std::string hash = sha256_file(file);
    all.update(hash.data(), static_cast<int64_t>(hash.size()));
  }
  return all.hex();
}

}  // namespace rela
