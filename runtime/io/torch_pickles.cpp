// torch.save before PyTorch 1.6: a magic number, the format's version, facts about the machine, the
// saved value and the storages' keys, each a pickle; then for every key the number of elements
// (8 bytes) and the elements.

#include <algorithm>
#include <array>
#include <string_view>

#include "runtime/io/quoted.h"
#include "runtime/io/torch_contents.h"

namespace rela {
namespace {

constexpr int64_t kMaxPickleBytes = int64_t{64} << 20;  // of all pickles together
constexpr int64_t kFormatVersion = 1001;
constexpr int64_t kCountBytes = 8;

class Pickles {
 public:
  explicit Pickles(const InputFile& file)
      : file_(file), text_(static_cast<size_t>(std::min(file.size(), kMaxPickleBytes)), '\0') {
    file.read_at(0, text_.data(), static_cast<int64_t>(text_.size()));
  }

  TorchContents read() {
    next("the magic number");
    const Pickle version = next("the format's version");
    const auto* number = version.as<int64_t>(version.root);
    RELA_CHECK(number != nullptr && *number == kFormatVersion, WeightsError, file_.path(),
               ": a pickle of another version than torch.save's ", kFormatVersion,
               "; save it again with PyTorch");
    check_byte_order(next("the facts of the machine"));
    TorchContents contents{
        .format = "PyTorch pickle", .pickle = next("the saved value"), .storages = {}};
    const Pickle keys = next("the list of storages");
    place_storages(contents, keys);
    return contents;
  }

 private:
  Pickle next(const char* name) {
    Pickle pickle = parse_pickle(std::string_view(text_).substr(at_), {.name = name});
    at_ += static_cast<size_t>(pickle.bytes);
    return pickle;
  }

  void check_byte_order(const Pickle& facts) const {
    const auto* dict = facts.as<PickleDict>(facts.root);
    if (dict == nullptr) return;
    for (const auto& [key, value] : dict->items) {
      const auto* name = facts.as<std::string>(key);
      const auto* is_set = facts.as<bool>(value);
      const bool is_big = name != nullptr && *name == "little_endian" && is_set && !*is_set;
      RELA_CHECK(!is_big, WeightsError, file_.path(),
                 ": its byte order is big; only little is read: save it again on a usual machine");
    }
  }

  void place_storages(TorchContents& contents, const Pickle& keys) const {
    const auto* list = keys.as<PickleList>(keys.root);
    RELA_CHECK(list != nullptr, WeightsError, file_.path(),
               ": the list of storages is something else; the file is damaged");
    int64_t at = static_cast<int64_t>(at_);
    for (const PickleId id : list->items) {
      const auto* key = keys.as<std::string>(id);
      RELA_CHECK(key != nullptr, WeightsError, file_.path(),
                 ": a storage's key is no text; the file is damaged");
      const TorchStorage storage = place(contents.pickle, *key, at);
      const bool is_new = contents.storages.emplace(*key, storage).second;
      RELA_CHECK(is_new, WeightsError, file_.path(), ": the storage ", quoted(*key),
                 " is there twice; the file is damaged");
      at = storage.offset + storage.bytes;
    }
  }

  TorchStorage place(const Pickle& pickle, const std::string& key, int64_t at) const {
    const PickleStorage* storage = nullptr;
    for (const PickleValue& value : pickle.values) {
      const auto* candidate = std::get_if<PickleStorage>(&value);
      if (candidate != nullptr && candidate->key == key) storage = candidate;
    }
    RELA_CHECK(storage != nullptr, WeightsError, file_.path(), ": nothing uses the storage ",
               quoted(key), ", so its type is not known; the file is damaged");
    RELA_CHECK(at <= file_.size() - kCountBytes, WeightsError, file_.path(), ": the storage ",
               quoted(key), " is beyond its end; the file is cut short or damaged");
    std::array<uint8_t, kCountBytes> raw;
    file_.read_at(at, raw.data(), kCountBytes);
    uint64_t elements = 0;
    for (size_t i = raw.size(); i-- > 0;) elements = elements << 8 | raw[i];
    const auto left = static_cast<uint64_t>(file_.size() - at - kCountBytes);
    const auto element_bytes = static_cast<uint64_t>(wire_dtype_bits(storage->dtype)) / 8;
    RELA_CHECK(elements <= left / element_bytes, WeightsError, file_.path(), ": the storage ",
               quoted(key), " has ", elements, " elements of ", element_bytes, " bytes, and ", left,
               " bytes are left; the file is cut short or damaged");
    return {.offset = at + kCountBytes, .bytes = static_cast<int64_t>(elements * element_bytes)};
  }

  const InputFile& file_;
  std::string text_;
  size_t at_ = 0;
};

}  // namespace

TorchContents read_torch_pickles(const InputFile& file) { return Pickles(file).read(); }

}  // namespace rela
