#pragma once
// What a pickle may name, and what comes of calling it.

#include <optional>
#include <string_view>

#include "runtime/io/pickle.h"

namespace rela {

enum class PickleCall : uint8_t {
  kNone,          // is named, never called: dtypes, storage types
  kOrderedDict,   // () -> dict
  kTensor,        // (storage, offset, shape, strides, ...) -> tensor
  kFirst,         // (value, ...) -> value: parameters, typed lists, torch.Size
  kOpaque,        // (...) -> something of no interest: torch.device
  kScriptObject,  // () -> object of a TorchScript class
};

/// Nothing for a global that is not allowed.
std::optional<PickleCall> pickle_call(std::string_view global, bool allow_script_classes);

/// The element type of "torch.FloatStorage" and its like.
std::optional<WireDtype> storage_dtype(std::string_view global);

}  // namespace rela
