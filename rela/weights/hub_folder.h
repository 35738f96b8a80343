#pragma once

#include <filesystem>

#include "rela/prior/model_source.h"

namespace rela {

/// Whose names tensors get.
enum class NameLayout : uint8_t { kTimm, kTorchvision };

/// Writes model.safetensors and config.json, as timm's models lie on Hugging Face's hub and as
/// open_weights() and named_model() read them. Throws UsageError for a model that has no names in
/// that layout, IoError.
void write_hub_folder(const std::filesystem::path& folder, const ModelSource& source,
                      const Backbone& backbone, NameLayout layout);

}  // namespace rela
