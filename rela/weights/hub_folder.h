#pragma once

#include <filesystem>
#include <vector>

#include "rela/prior/model_source.h"

namespace rela {

/// Whose names tensors get.
enum class NameLayout : uint8_t { kTimm, kTorchvision, kHuggingFace };

/// The files that write_hub_folder() writes.
std::vector<std::filesystem::path> files_of_hub_folder(const std::filesystem::path& folder,
                                                       NameLayout layout);

/// Writes model.safetensors and config.json, as models lie on Hugging Face's hub and as
/// open_weights() and named_model() read them: timm's and torchvision's as timm's do there,
/// transformers' with preprocessor_config.json. Throws UsageError for a model that has no names in
/// that layout, IoError.
void write_hub_folder(const std::filesystem::path& folder, const ModelSource& source,
                      const Backbone& backbone, NameLayout layout);

}  // namespace rela
