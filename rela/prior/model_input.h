#pragma once

#include <cstdint>
#include <filesystem>

#include "kernels/augment/normalize.h"
#include "nn/backbone.h"
#include "rela/data/eval_loader.h"
#include "runtime/io/json.h"

namespace rela {

/// The images that a model was trained on.
struct ModelInput {
  int64_t image_size = 32;  // side, pixels
  Normalization normalization = imagenet_normalization();
  PhotoResize photos = {};  // as it was evaluated
};

/// What published weights of that shape were trained on.
ModelInput usual_input(const BackboneSpec& spec);

/// What the files beside weights say of them: `config`, their config.json, under timm's keys, or a
/// preprocessor_config.json under those of Hugging Face's transformers. What they do not say is as
/// usual.
ModelInput described_input(const std::filesystem::path& folder, const JsonValue& config,
                           const ModelInput& usual);

/// A JSON file. Throws WeightsError if it is none.
JsonValue read_config_file(const std::string& file);

}  // namespace rela
