// The tensors in a pickle's tree of values.

#include "runtime/io/quoted.h"
#include "runtime/io/torch_contents.h"

namespace rela {
namespace {

constexpr int kMaxDepth = 64;             // of nested modules, dicts and lists
constexpr size_t kMaxVisits = 1'000'000;  // a value may be reached by many ways
constexpr size_t kMaxNameBytes = 4096;

class Walk {
 public:
  explicit Walk(const Pickle& pickle) : pickle_(pickle) {}

  std::vector<NamedTorchTensor> tensors() {
    visit(pickle_.root, "", 0);
    return std::move(found_);
  }

 private:
  void visit(PickleId id, const std::string& name, int depth) {
    RELA_CHECK(depth <= kMaxDepth, PickleError, "values are nested deeper than ", kMaxDepth,
               " levels, in ", quoted(name));
    RELA_CHECK(++visits_ <= kMaxVisits, PickleError, "more than ", kMaxVisits,
               " values; no model's weights have so many");
    const auto below = [&](const std::string& key) {
      return name.empty() ? key : name + "." + key;
    };
    if (const auto* tensor = pickle_.as<PickleTensor>(id)) {
      add(name.empty() ? "tensor" : name, *tensor);
    } else if (const auto* list = pickle_.as<PickleList>(id)) {
      for (size_t i = 0; i < list->items.size(); ++i)
        visit(list->items[i], below(std::to_string(i)), depth + 1);
    } else if (const auto* dict = pickle_.as<PickleDict>(id)) {
      for (const auto& [key, value] : dict->items) {
        if (holds_others(value)) visit(value, below(text_of(key, name)), depth + 1);
      }
    } else if (const auto* object = pickle_.as<PickleObject>(id)) {
      visit(object->state, name, depth + 1);
    }
  }

  bool holds_others(PickleId id) const {
    return pickle_.as<PickleTensor>(id) != nullptr || pickle_.as<PickleList>(id) != nullptr ||
           pickle_.as<PickleDict>(id) != nullptr || pickle_.as<PickleObject>(id) != nullptr;
  }

  /// A dict's key as a part of a name.
  std::string text_of(PickleId key, const std::string& name) const {
    if (const auto* number = pickle_.as<int64_t>(key)) return std::to_string(*number);
    const auto* text = pickle_.as<std::string>(key);
    RELA_CHECK(text != nullptr, PickleError, "a key in ", quoted(name),
               " is neither text nor an integer");
    RELA_CHECK(is_utf8(*text), PickleError, "a key in ", quoted(name), ", ", quoted(*text),
               ", is not UTF-8");
    return *text;
  }

  void add(const std::string& name, const PickleTensor& tensor) {
    RELA_CHECK(name.size() <= kMaxNameBytes, PickleError, "a tensor's name has ", name.size(),
               " bytes; at most ", kMaxNameBytes, " are accepted");
    found_.push_back({name, *pickle_.as<PickleStorage>(tensor.storage), tensor});
  }

  const Pickle& pickle_;
  std::vector<NamedTorchTensor> found_;
  size_t visits_ = 0;
};

}  // namespace

std::vector<NamedTorchTensor> tensors_in(const Pickle& pickle) { return Walk(pickle).tensors(); }

}  // namespace rela
