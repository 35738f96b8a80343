#include "runtime/io/pickle.h"

#include <cstring>
#include <optional>
#include <unordered_map>

#include "runtime/io/pickle_globals.h"
#include "runtime/io/pickle_input.h"
#include "runtime/io/quoted.h"

namespace rela {
namespace {

using namespace pickle_input;

constexpr size_t kMaxValues = 1'000'000;  // a network has some ten for each tensor
constexpr size_t kMaxDepth = 10'000;      // of marks; Python itself stops at a thousand
constexpr uint8_t kNewestProtocol = 5;
constexpr PickleId kNone = 0;

class Machine {
 public:
  Machine(std::string_view bytes, const PickleOptions& options)
      : input_(bytes, options.name), options_(options) {
    pickle_.values.emplace_back(nullptr);
  }

  Pickle run() {
    while (true) {
      op_at_ = input_.at();
      const auto op = static_cast<uint8_t>(input_.number(1));
      if (op == kStop) break;
      if (!do_scalar(op) && !do_collection(op) && !do_memo(op) && !do_call(op)) refuse_opcode(op);
    }
    pickle_.root = pop();
    pickle_.bytes = input_.at();
    return std::move(pickle_);
  }

 private:
  template <class... Args>
  void check(bool condition, const Args&... args) const {
    if (!condition) {
      throw PickleError(cat(args..., " at byte ", op_at_, " of ", options_.name,
                            "; the file is damaged or no pickle"));
    }
  }

  [[noreturn]] void refuse_opcode(uint8_t op) const {
    throw PickleError(cat("opcode ", static_cast<int>(op), " at byte ", op_at_, " of ",
                          options_.name, " is not allowed; tensors need none but PyTorch's own"));
  }

  [[noreturn]] void refuse_global(const std::string& name) const {
    throw PickleError(cat("global ", is_plain(name) ? name : quoted(name), " at byte ", op_at_,
                          " of ", options_.name,
                          " is not allowed; tensors, numbers, text, lists and dicts are: in "
                          "Python, save the state_dict of the model alone"));
  }

  static bool is_plain(std::string_view name) {
    return name.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
               "._") == std::string_view::npos;
  }

  // The stack.

  template <class T>
  void push(T value) {
    RELA_CHECK(pickle_.values.size() < kMaxValues, PickleError, options_.name, " has more than ",
               kMaxValues, " values; no model's weights have so many");
    pickle_.values.emplace_back(std::move(value));
    push_id(static_cast<PickleId>(pickle_.values.size() - 1));
  }

  void push_id(PickleId id) {
    RELA_CHECK(stack_.size() < kMaxValues, PickleError, options_.name, " has more than ",
               kMaxValues, " values; no model's weights have so many");
    stack_.push_back(id);
  }

  size_t bottom() const { return marks_.empty() ? 0 : marks_.back(); }

  PickleId pop() {
    check(stack_.size() > bottom(), "a value is missing");
    const PickleId id = stack_.back();
    stack_.pop_back();
    return id;
  }

  PickleId top() const {
    check(stack_.size() > bottom(), "a value is missing");
    return stack_.back();
  }

  std::vector<PickleId> pop_to_mark() {
    check(!marks_.empty(), "a mark is missing");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleId> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  template <class T>
  T& as(PickleId id, const char* what) {
    T* value = std::get_if<T>(&pickle_.values[id]);
    check(value != nullptr, what, " is expected and something else is there");
    return *value;
  }

  // Opcodes: whether this is one of the group.

  bool do_scalar(uint8_t op) {
    switch (op) {
      case kProto:
        check(input_.number(1) <= kNewestProtocol, "an unknown protocol");
        return true;
      case kFrame:
        input_.take(8);  // how far one may read ahead
        return true;
      case kNoneValue:
        push_id(kNone);
        return true;
      case kNewTrue:
      case kNewFalse:
        push(op == kNewTrue);
        return true;
      case kBinInt:
        push(int64_t{static_cast<int32_t>(static_cast<uint32_t>(input_.number(4)))});
        return true;
      case kBinInt1:
      case kBinInt2:
        push(static_cast<int64_t>(input_.number(op == kBinInt1 ? 1 : 2)));
        return true;
      case kBinFloat:
        push_float();
        return true;
      case kLong1:
      case kLong4:
        push_long(input_.number(op == kLong1 ? 1 : 4));
        return true;
      default:
        return do_text(op);
    }
  }

  bool do_text(uint8_t op) {
    switch (op) {
      case kShortBinUnicode:
      case kShortBinString:
        push(std::string(input_.take(input_.number(1))));
        return true;
      case kBinUnicode:
      case kBinString:
        push(std::string(input_.take(input_.number(4))));
        return true;
      case kBinUnicode8:
        push(std::string(input_.take(input_.number(8))));
        return true;
      case kShortBinBytes:
      case kBinBytes:
      case kBinBytes8:
        input_.take(input_.number(op == kShortBinBytes ? 1 : op == kBinBytes ? 4 : 8));
        push(PickleOpaque{});
        return true;
      default:
        return false;
    }
  }

  void push_float() {
    const std::string_view bytes = input_.take(8);  // big-endian
    uint64_t bits = 0;
    for (const char byte : bytes) bits = bits << 8 | static_cast<uint8_t>(byte);
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    push(value);
  }

  /// Two's complement of any length.
  void push_long(uint64_t size) {
    const std::string_view bytes = input_.take(size);
    if (size > 8) return push(PickleOpaque{});
    uint64_t value = 0;
    for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    const bool is_negative = !bytes.empty() && (static_cast<uint8_t>(bytes.back()) & 0x80) != 0;
    if (is_negative && size < 8) value |= ~uint64_t{0} << (8 * size);
    push(static_cast<int64_t>(value));
  }

  bool do_collection(uint8_t op) {
    switch (op) {
      case kMark:
        RELA_CHECK(marks_.size() < kMaxDepth, PickleError, options_.name, " is nested deeper than ",
                   kMaxDepth, " levels");
        marks_.push_back(stack_.size());
        return true;
      case kPop:
        pop();
        return true;
      case kPopMark:
        pop_to_mark();
        return true;
      case kEmptyList:
      case kEmptyTuple:
        push(PickleList{{}, op == kEmptyTuple});
        return true;
      case kEmptyDict:
        push(PickleDict{});
        return true;
      case kTuple:
        push(PickleList{pop_to_mark(), true});
        return true;
      case kTuple1:
      case kTuple2:
      case kTuple3:
        push_tuple(static_cast<size_t>(op - kTuple1) + 1);
        return true;
      case kAppend:
        append({pop()});
        return true;
      case kAppends:
        append(pop_to_mark());
        return true;
      case kSetItem: {
        const PickleId value = pop();
        set_items({pop(), value});
        return true;
      }
      case kSetItems:
        set_items(pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  void push_tuple(size_t size) {
    std::vector<PickleId> items(size);
    for (size_t i = size; i-- > 0;) items[i] = pop();
    push(PickleList{std::move(items), true});
  }

  void append(const std::vector<PickleId>& items) {
    auto& list = as<PickleList>(top(), "a list");
    check(!list.is_tuple, "a list is expected and a tuple is there");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<PickleId>& items) {
    check(items.size() % 2 == 0, "a dict's value is missing");
    auto& dict = as<PickleDict>(top(), "a dict");
    for (size_t i = 0; i < items.size(); i += 2) dict.items.emplace_back(items[i], items[i + 1]);
  }

  bool do_memo(uint8_t op) {
    switch (op) {
      case kBinPut:
      case kLongBinPut:
        memo_[input_.number(op == kBinPut ? 1 : 4)] = top();
        return true;
      case kMemoize:
        memo_[memo_.size()] = top();
        return true;
      case kBinGet:
      case kLongBinGet: {
        const auto found = memo_.find(input_.number(op == kBinGet ? 1 : 4));
        check(found != memo_.end(), "a value that was never remembered");
        push_id(found->second);
        return true;
      }
      default:
        return false;
    }
  }

  bool do_call(uint8_t op) {
    switch (op) {
      case kGlobal: {
        const std::string module(input_.line());
        push_global(cat(module, ".", input_.line()));
        return true;
      }
      case kStackGlobal: {
        const std::string name = as<std::string>(pop(), "a name");
        push_global(cat(as<std::string>(pop(), "a name"), ".", name));
        return true;
      }
      case kReduce:
      case kNewObj: {
        const PickleId arguments = pop();
        call(as<PickleGlobal>(pop(), "a class or function").name,
             as<PickleList>(arguments, "a tuple").items);
        return true;
      }
      case kBuild: {
        const PickleId state = pop();
        // What else has a state, an OrderedDict for one, keeps only notes in it.
        if (auto* object = std::get_if<PickleObject>(&pickle_.values[top()])) object->state = state;
        return true;
      }
      case kBinPersId:
        push_storage(as<PickleList>(pop(), "a tuple").items);
        return true;
      default:
        return false;
    }
  }

  void push_global(const std::string& name) {
    if (!pickle_call(name, options_.allow_script_classes)) refuse_global(name);
    push(PickleGlobal{name});
  }

  void call(const std::string& name, const std::vector<PickleId>& arguments) {
    switch (*pickle_call(name, options_.allow_script_classes)) {
      case PickleCall::kOrderedDict:
        push(dict_of(arguments));
        return;
      case PickleCall::kTensor:
        push(tensor_of(arguments));
        return;
      case PickleCall::kFirst:
        check(!arguments.empty(), "an argument of ", name, " is missing");
        push_id(arguments.front());
        return;
      case PickleCall::kOpaque:
        push(PickleOpaque{});
        return;
      case PickleCall::kScriptObject:
        push(PickleObject{name, kNone});
        return;
      case PickleCall::kNone:
        throw PickleError(
            cat("a call of ", name, " at byte ", op_at_, " of ", options_.name, " is not allowed"));
    }
  }

  /// OrderedDict(): empty, or of a list of pairs.
  PickleDict dict_of(const std::vector<PickleId>& arguments) {
    PickleDict dict;
    if (arguments.empty()) return dict;
    for (const PickleId id : as<PickleList>(arguments.front(), "a list of pairs").items) {
      const auto& pair = as<PickleList>(id, "a pair").items;
      check(pair.size() == 2, "a pair is expected and ", pair.size(), " values are there");
      dict.items.emplace_back(pair[0], pair[1]);
    }
    return dict;
  }

  PickleTensor tensor_of(const std::vector<PickleId>& arguments) {
    check(arguments.size() >= 4, "an argument of a tensor is missing");
    as<PickleStorage>(arguments[0], "a storage");
    return {.storage = arguments[0],
            .offset = as<int64_t>(arguments[1], "a tensor's offset"),
            .shape = integers(arguments[2], "a tensor's shape"),
            .strides = integers(arguments[3], "a tensor's strides")};
  }

  std::vector<int64_t> integers(PickleId id, const char* what) {
    std::vector<int64_t> numbers;
    for (const PickleId item : as<PickleList>(id, what).items)
      numbers.push_back(as<int64_t>(item, what));
    return numbers;
  }

  /// ("storage", type, key, device, elements) and, before PyTorch 1.6, a view of another storage.
  void push_storage(const std::vector<PickleId>& id) {
    check(id.size() == 5 || id.size() == 6, "a storage's five facts are expected and ", id.size(),
          " values are there");
    check(as<std::string>(id[0], "a storage") == "storage", "a storage is expected");
    const std::string& type = as<PickleGlobal>(id[1], "a storage's type").name;
    const std::optional<WireDtype> dtype = storage_dtype(type);
    check(dtype.has_value(), type, " is no type of a storage");
    check(id.size() == 5 || id[5] == kNone,
          "a storage that is a view of another, from before "
          "PyTorch 0.4,");
    push(PickleStorage{*dtype, as<std::string>(id[2], "a storage's key"),
                       as<int64_t>(id[4], "a storage's size")});
  }

  Input input_;
  const PickleOptions& options_;
  Pickle pickle_;
  std::vector<PickleId> stack_;
  std::vector<size_t> marks_;  // sizes of the stack
  std::unordered_map<uint64_t, PickleId> memo_;
  int64_t op_at_ = 0;
};

}  // namespace

Pickle parse_pickle(std::string_view bytes, const PickleOptions& options) {
  return Machine(bytes, options).run();
}

}  // namespace rela
