#pragma once
// Python pickles as data. Nothing is executed: a small machine builds a tree of plain values, and
// of the classes and functions that a pickle names it knows those that PyTorch's tensors need.
// Everything else is refused by its name.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/error.h"
#include "runtime/io/wire_dtype.h"

namespace rela {

/// A pickle that is damaged, too large, or wants what is not allowed. The message has no file name:
/// the caller adds it.
class PickleError : public Error {
 public:
  using Error::Error;
};

/// Values refer to each other by number; one may be referred to from many places, or from itself.
using PickleId = uint32_t;

struct PickleOpaque {};  // bytes, integers beyond 64 bits: present, and of no interest
struct PickleList {
  std::vector<PickleId> items;
  bool is_tuple = false;
};
struct PickleDict {
  std::vector<std::pair<PickleId, PickleId>> items;  // key, value; a key may be there twice
};
struct PickleGlobal {  // a class or function by its name, "torch._utils._rebuild_tensor_v2"
  std::string name;
};
struct PickleObject {  // of a TorchScript class
  std::string class_name;
  PickleId state = 0;  // mostly a dict of its attributes; 0: none, the value None
};
/// A block of elements outside of the pickle.
struct PickleStorage {
  WireDtype dtype = WireDtype::kF32;
  std::string key;
  int64_t elements = 0;
};
/// A view of a storage, in its elements. Numbers are as in the pickle: not yet checked.
struct PickleTensor {
  PickleId storage = 0;  // a PickleStorage
  int64_t offset = 0;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

using PickleValue =
    std::variant<std::nullptr_t, bool, int64_t, double, std::string, PickleOpaque, PickleList,
                 PickleDict, PickleGlobal, PickleObject, PickleStorage, PickleTensor>;

struct Pickle {
  std::vector<PickleValue> values;  // values[0] is None
  PickleId root = 0;
  int64_t bytes = 0;  // from the first to the STOP, which need not be the last of the text

  template <class T>
  const T* as(PickleId id) const {
    return std::get_if<T>(&values[id]);
  }
};

struct PickleOptions {
  const char* name = "the pickle";    // for messages: "data.pkl"
  bool allow_script_classes = false;  // __torch__.*: TorchScript's
};

/// Throws PickleError: "global os.system at byte 3 of data.pkl is not allowed; ...".
Pickle parse_pickle(std::string_view bytes, const PickleOptions& options = {});

}  // namespace rela
