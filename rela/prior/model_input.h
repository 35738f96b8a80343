#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "kernels/augment/normalize.h"
#include "nn/backbone.h"
#include "rela/data/eval_loader.h"
#include "runtime/io/json.h"

namespace rela {

/// What describes weights, beside them.
inline constexpr const char* kConfigFile = "config.json";

/// The images that a model was trained on.
struct ModelInput {
  int64_t image_size = 32;  // side, pixels
  Normalization normalization = imagenet_normalization();
  PhotoResize photos = {};       // as it was evaluated
  bool size_is_assumed = false;  // nothing says it: that of published weights of the shape
};

/// What published weights of that shape were trained on.
ModelInput usual_input(const BackboneSpec& spec);

/// What the files beside weights say of them: `config`, their config.json, under timm's keys, or a
/// preprocessor_config.json under those of Hugging Face's transformers. What they do not say is as
/// usual. Throws WeightsError for what cannot be.
ModelInput described_input(const std::filesystem::path& folder, const JsonValue& config,
                           const ModelInput& usual);

/// The files beside weights that described_input() and named_model() read, if they are there.
std::vector<std::filesystem::path> described_by(const std::filesystem::path& weights_file);

/// A JSON file. Throws WeightsError if it is none.
JsonValue read_config_file(const std::string& file);

}  // namespace rela
