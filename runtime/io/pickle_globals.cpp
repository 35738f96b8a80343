#include "runtime/io/pickle_globals.h"

#include <algorithm>
#include <array>

namespace rela {
namespace {

struct Allowed {
  std::string_view name;
  PickleCall call;
};
constexpr std::array kAllowed{
    Allowed{"collections.OrderedDict", PickleCall::kOrderedDict},
    Allowed{"torch._utils._rebuild_tensor", PickleCall::kTensor},
    Allowed{"torch._utils._rebuild_tensor_v2", PickleCall::kTensor},
    Allowed{"torch._utils._rebuild_parameter", PickleCall::kFirst},
    Allowed{"torch._utils._rebuild_parameter_with_state", PickleCall::kFirst},
    Allowed{"torch.Size", PickleCall::kFirst},
    Allowed{"torch.device", PickleCall::kOpaque},
    Allowed{"torch.jit._pickle.build_boollist", PickleCall::kFirst},
    Allowed{"torch.jit._pickle.build_doublelist", PickleCall::kFirst},
    Allowed{"torch.jit._pickle.build_intlist", PickleCall::kFirst},
    Allowed{"torch.jit._pickle.build_tensorlist", PickleCall::kFirst},
    Allowed{"torch.jit._pickle.restore_type_tag", PickleCall::kFirst},
};

struct Storage {
  std::string_view name;
  WireDtype dtype;
};
constexpr std::array kStorages{
    Storage{"torch.FloatStorage", WireDtype::kF32},
    Storage{"torch.DoubleStorage", WireDtype::kF64},
    Storage{"torch.HalfStorage", WireDtype::kF16},
    Storage{"torch.BFloat16Storage", WireDtype::kBf16},
    Storage{"torch.LongStorage", WireDtype::kI64},
    Storage{"torch.IntStorage", WireDtype::kI32},
    Storage{"torch.ShortStorage", WireDtype::kI16},
    Storage{"torch.CharStorage", WireDtype::kI8},
    Storage{"torch.ByteStorage", WireDtype::kU8},
    Storage{"torch.BoolStorage", WireDtype::kBool},
    Storage{"torch.ComplexFloatStorage", WireDtype::kC64},
};

/// As values, e.g. among the settings of a run.
constexpr std::array<std::string_view, 11> kDtypes{
    "torch.float32", "torch.float64", "torch.float16",  "torch.bfloat16",
    "torch.int64",   "torch.int32",   "torch.int16",    "torch.int8",
    "torch.uint8",   "torch.bool",    "torch.complex64"};

}  // namespace

std::optional<PickleCall> pickle_call(std::string_view global, bool allow_script_classes) {
  const auto found = std::ranges::find(kAllowed, global, &Allowed::name);
  if (found != kAllowed.end()) return found->call;
  if (storage_dtype(global) || std::ranges::find(kDtypes, global) != kDtypes.end())
    return PickleCall::kNone;
  if (allow_script_classes && global.starts_with("__torch__.")) return PickleCall::kScriptObject;
  return std::nullopt;
}

std::optional<WireDtype> storage_dtype(std::string_view global) {
  const auto found = std::ranges::find(kStorages, global, &Storage::name);
  if (found == kStorages.end()) return std::nullopt;
  return found->dtype;
}

}  // namespace rela
