#pragma once
// What PyTorch's files hold, whichever way they hold it.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/io/file.h"
#include "runtime/io/pickle.h"

namespace rela {

/// A block of elements: `bytes` at `offset` of the file, or, of an archive that was compressed
/// afterwards, unpacked in memory.
struct TorchStorage {
  int64_t offset = 0;
  int64_t bytes = 0;
  std::string unpacked{};
  bool is_unpacked = false;
};
using TorchStorages = std::map<std::string, TorchStorage>;  // by their keys

struct TorchContents {
  std::string format;
  Pickle pickle;
  TorchStorages storages;  // all that the pickle refers to
};

/// Since PyTorch 1.6: a ZIP archive of NAME/data.pkl and NAME/data/KEY; with NAME/code, of
/// torch.jit.save. Throws WeightsError.
TorchContents read_torch_archive(const InputFile& file);
/// Before: pickles one after the other, then the storages. Throws WeightsError.
TorchContents read_torch_pickles(const InputFile& file);

struct NamedTorchTensor {
  std::string name;
  PickleStorage storage;
  PickleTensor view;
};
/// All tensors that can be reached from the root, in the order of the pickle. Throws PickleError
/// for what is nested without end, and for keys that are no names.
std::vector<NamedTorchTensor> tensors_in(const Pickle& pickle);

}  // namespace rela
