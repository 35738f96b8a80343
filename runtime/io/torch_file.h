#pragma once
// Files of torch.save and torch.jit.save: .pt, .pth, .bin, .th. No code in them is run.

#include <string>
#include <string_view>
#include <vector>

#include "runtime/io/file.h"
#include "runtime/io/torch_contents.h"
#include "runtime/io/weights_file.h"

namespace rela {

/// The tensors of a file that torch.save or torch.jit.save wrote: a ZIP archive (since PyTorch
/// 1.6), a TorchScript archive, or pickles one after the other (before). Names are the keys on the
/// way to a tensor, joined by dots: {"state_dict": {"conv1.weight": ...}} gives
/// "state_dict.conv1.weight". Other values are passed over. Throws WeightsError for what is damaged
/// or not allowed, IoError.
class TorchFile : public WeightsFile {
 public:
  explicit TorchFile(std::string path);
  std::string format() const override { return format_; }

 private:
  /// An entry's elements, in those of its storage.
  struct View {
    const TorchStorage* storage = nullptr;
    int64_t first = 0;
    std::vector<int64_t> strides;
    bool is_contiguous = true;
  };

  void add(const NamedTorchTensor& tensor, std::vector<WeightsEntry>& entries);
  void read_bytes(size_t index, int64_t first, int64_t bytes, void* out) const override;
  void read_storage(const TorchStorage& storage, int64_t first, int64_t bytes, void* out) const;

  InputFile file_;
  TorchStorages storages_;
  std::vector<View> views_;  // by entry
  std::string format_;
};

/// Whether a file that starts with these bytes (512 are plenty) is one of these.
bool is_torch_file(std::string_view start);

}  // namespace rela
