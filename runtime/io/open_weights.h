#pragma once

#include <memory>
#include <string>

#include "runtime/io/weights_file.h"

namespace rela {

/// Opens weights by what the file holds, not by its name: safetensors, a file of torch.save or
/// torch.jit.save, or an index of several such files (model.safetensors.index.json), which lie
/// beside it. A folder is looked through for the names that Hugging Face's libraries and this
/// program give. Throws WeightsError, which says what the file is instead; IoError.
std::unique_ptr<WeightsFile> open_weights(const std::string& path);

/// One file: an index of several is refused.
std::unique_ptr<WeightsFile> open_single_weights(const std::string& file);

/// The file that open_weights() opens: `path`, or what it finds in that folder.
std::string weights_path(const std::string& path);

}  // namespace rela
