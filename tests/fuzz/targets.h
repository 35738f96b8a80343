#pragma once
// Fuzz targets: readers of weights.

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

}  // namespace rela::test
