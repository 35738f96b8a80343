#pragma once
// Constants shared by the reader and the writer of safetensors.

#include <cstddef>
#include <cstdint>

namespace rela::safetensors_format {

inline constexpr const char* kMetadataKey = "__metadata__";
inline constexpr int64_t kLengthBytes = 8;
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's cap
inline constexpr int kMaxHeaderDepth = 4;                 // the format needs 3
inline constexpr int64_t kMaxHeaderValues = 2'000'000;    // about 150,000 tensors
inline constexpr size_t kMaxNameBytes = 4096;

}  // namespace rela::safetensors_format
