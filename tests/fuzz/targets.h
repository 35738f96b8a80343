#pragma once
// Readers of files from elsewhere, each given bytes as a file holds them: the outcome may be what
// was read or the reader's own error. Anything else, such as a crash, an endless loop, another
// exception or an allocation beyond what the bytes justify, is a bug.

#include <string_view>

namespace rela::test {

void fuzz_safetensors(std::string_view bytes);
/// A ZIP archive: its list and all its contents.
void fuzz_zip(std::string_view bytes);
/// A pickle and the tensors in it, with and without TorchScript's classes.
void fuzz_pickle(std::string_view bytes);
/// A file of torch.save, either form: all its tensors.
void fuzz_torch_file(std::string_view bytes);
/// An archive of torch.save whose data.pkl holds the bytes: storages and strides.
void fuzz_torch_tensors(std::string_view bytes);

struct FuzzTarget {
  const char* name;
  void (*run)(std::string_view bytes);
};
inline constexpr FuzzTarget kFuzzTargets[] = {{"safetensors", fuzz_safetensors},
                                              {"zip", fuzz_zip},
                                              {"pickle", fuzz_pickle},
                                              {"torch_file", fuzz_torch_file},
                                              {"torch_tensors", fuzz_torch_tensors}};

}  // namespace rela::test
