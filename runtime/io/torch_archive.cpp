// The ZIP archives of torch.save and torch.jit.save.

#include <algorithm>

#include "runtime/io/quoted.h"
#include "runtime/io/torch_contents.h"
#include "runtime/io/zip_archive.h"

namespace rela {
namespace {

constexpr int64_t kMaxPickleBytes = int64_t{64} << 20;
constexpr int64_t kMaxUnpackedBytes = int64_t{1} << 30;  // of all storages that were compressed
constexpr std::string_view kPickleName = "/data.pkl";

class Archive {
 public:
  explicit Archive(const InputFile& file) : file_(file), zip_(file) {}

  TorchContents read() {
    const ZipEntry& pickle = find_pickle();
    const std::string folder = pickle.name.substr(0, pickle.name.size() - kPickleName.size());
    check_byte_order(folder);
    const bool is_script = std::ranges::any_of(zip_.entries(), [&](const ZipEntry& entry) {
      return entry.name.starts_with(folder + "/code/") || entry.name == folder + "/constants.pkl";
    });
    TorchContents contents{.format = is_script ? "TorchScript archive" : "PyTorch archive",
                           .pickle = {},
                           .storages = {}};
    contents.pickle = parse_pickle(zip_.read(pickle, kMaxPickleBytes),
                                   {.name = "data.pkl", .allow_script_classes = is_script});
    for (const PickleValue& value : contents.pickle.values) {
      const auto* storage = std::get_if<PickleStorage>(&value);
      if (storage != nullptr && !contents.storages.contains(storage->key))
        contents.storages.emplace(storage->key, find_storage(folder, storage->key));
    }
    return contents;
  }

 private:
  const ZipEntry& find_pickle() const {
    const auto is_pickle = [](const ZipEntry& entry) {
      const bool is_in_one_folder = std::ranges::count(entry.name, '/') == 1;
      return is_in_one_folder && entry.name.ends_with(kPickleName);
    };
    const auto found = std::ranges::find_if(zip_.entries(), is_pickle);
    RELA_CHECK(found != zip_.entries().end(), WeightsError, file_.path(),
               ": a ZIP archive without a data.pkl in a folder; torch.save writes one: unpack "
               "this one and name the file of weights in it");
    RELA_CHECK(std::ranges::count_if(zip_.entries(), is_pickle) == 1, WeightsError, file_.path(),
               ": a ZIP archive with several data.pkl; torch.save writes one");
    return *found;
  }

  void check_byte_order(const std::string& folder) const {
    constexpr int64_t kLongestWord = 16;
    const ZipEntry* entry = zip_.find(folder + "/byteorder");
    if (entry == nullptr) return;
    const std::string order = zip_.read(*entry, kLongestWord);
    RELA_CHECK(order == "little", WeightsError, file_.path(), ": its byte order is ", quoted(order),
               "; only little is read: save it again on a usual machine");
  }

  TorchStorage find_storage(const std::string& folder, const std::string& key) {
    const ZipEntry* entry = zip_.find(cat(folder, "/data/", key));
    RELA_CHECK(entry != nullptr, WeightsError, file_.path(), ": the storage ", quoted(key),
               " is not in the archive; the file is damaged");
    if (!entry->is_deflated) return {.offset = entry->offset, .bytes = entry->bytes};
    TorchStorage storage{.offset = entry->offset,
                         .bytes = entry->bytes,
                         .unpacked = zip_.read(*entry, kMaxUnpackedBytes - unpacked_),
                         .is_unpacked = true};
    unpacked_ += storage.bytes;
    return storage;
  }

  const InputFile& file_;
  ZipArchive zip_;
  int64_t unpacked_ = 0;  // bytes
};

}  // namespace

TorchContents read_torch_archive(const InputFile& file) { return Archive(file).read(); }

}  // namespace rela
