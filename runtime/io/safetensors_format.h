#pragma once
// Constants shared by the reader and the writer of safetensors.

#include <cstdint>
#include <string>

#include "runtime/io/json.h"

namespace rela::safetensors_format {

inline constexpr const char* kMetadataKey = "__metadata__";
inline constexpr int64_t kLengthBytes = 8;
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's cap
inline constexpr int kMaxHeaderDepth = 4;                 // the format needs 3
inline constexpr int64_t kMaxHeaderValues = 2'000'000;    // about 150,000 tensors
inline constexpr size_t kMaxNameBytes = 4096;

/// A name from a file, safe for a terminal: control characters escaped, long names truncated.
inline std::string quoted(const std::string& name) {
  constexpr size_t kMaxShown = 120;
  const std::string text = to_json_text(JsonValue(name), JsonLayout::kCompact);
  return text.size() <= kMaxShown ? text : text.substr(0, kMaxShown) + "...";
}

}  // namespace rela::safetensors_format
