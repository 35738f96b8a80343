#pragma once
// The model and the data that `evaluate` and `embed` are told about.

#include <memory>
#include <string>

#include "nn/backbone.h"
#include "rela/data/dataset.h"
#include "rela/data/eval_loader.h"
#include "rela/train/feature_extraction.h"

namespace CLI {
class App;
}

namespace rela {

struct FrozenModelArguments {
  std::string run;      // a run's folder: its exported backbone
  std::string weights;  // or a safetensors file ...
  std::string model;    // ... and the model's name
  bool cifar_stem = false;
  int64_t width = 64;
  std::string data;
  std::string format = "cifar10";
  int64_t image_size = 32;
};
void describe_arguments(CLI::App& app, FrozenModelArguments& arguments);

/// A backbone in evaluation mode.
struct FrozenModel {
  std::unique_ptr<Backbone> backbone;
  std::string weights_file;

  Tensor embed(const Tensor& images) const;  // [B, S, S, 3] f32 -> [B, D] f32
};
/// Throws UsageError for arguments that do not go together, WeightsError for weights that do not
/// fit.
FrozenModel load_frozen_model(const FrozenModelArguments& arguments);

/// A split of the data, read as the model wants it; progress goes to stderr.
std::unique_ptr<ImageDataset> open_data(const FrozenModelArguments& arguments, Split split);
FeatureSet features_of(const FrozenModel& model, const ImageDataset& dataset,
                       const FrozenModelArguments& arguments);

}  // namespace rela
