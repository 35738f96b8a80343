#pragma once
// The model and data arguments of `evaluate` and `embed`.

#include <memory>
#include <optional>
#include <string>

#include "rela/data/dataset.h"
#include "rela/data/eval_loader.h"
#include "rela/eval/feature_extraction.h"
#include "rela/prior/model_source.h"

namespace rela {

class CommandLine;

struct FrozenModelArguments {
  std::string run;      // a run's folder: its exported backbone
  std::string weights;  // or weights that open_weights() reads ...
  std::string model;    // ... and the model's name
  bool allow_partial = false;
  bool cifar_stem = false;  // stem and width: override those derived from the file's shapes
  std::optional<int64_t> width;
  std::string activation;  // of CLIP's; empty: as the name says
  std::string data;
  std::string test_data;  // if the test split is elsewhere
  std::string format = "cifar10";
  int64_t synthetic_images = 0;       // in the training split; 0: the default of open_dataset()
  std::optional<int64_t> image_size;  // this and the next override the model's training input
  std::string normalize;
};
void describe_arguments(CommandLine& app, FrozenModelArguments& arguments);
/// Those of them that name the data.
void describe_data(CommandLine& app, FrozenModelArguments& arguments);

void describe_activation(CommandLine& app, std::string& option);
/// What --activation says; empty: nothing. Throws UsageError.
ClipActivation activation_of(const std::string& option);

/// Appends what a run keeps in its folder, but for the results of evaluations.
void add_files_of_run(const std::string& run, std::vector<std::string>& inputs);
/// What is read for them: files and folders.
std::vector<std::string> inputs_of(const FrozenModelArguments& arguments);

/// The model that the arguments name, and its input images. Throws UsageError for conflicting
/// arguments.
ModelSource model_source(const FrozenModelArguments& arguments);

/// A backbone in evaluation mode, on a device.
struct FrozenModel {
  FrozenModel(ModelSource model_source, Device where);

  Tensor embed(const Tensor& images) const;  // [B, S, S, 3] f32 -> [B, D] f32
  EvalOptions eval_options() const;          // how images have to be prepared for it, and where

  ModelSource source;
  Device device;
  std::unique_ptr<Backbone> backbone;
};
/// Throws UsageError, and WeightsError for weights that do not fit.
FrozenModel load_frozen_model(const FrozenModelArguments& arguments, Device device);

/// A split of the data.
std::unique_ptr<ImageDataset> open_data(const FrozenModelArguments& arguments, Split split);
/// The same; the test split's labels are numbered as the training images', where there are some.
std::unique_ptr<ImageDataset> open_matched(const FrozenModelArguments& arguments, Split split);
/// The test split, its labels numbered as the training images'. Throws DataError without labels.
std::unique_ptr<ImageDataset> open_test_data(const FrozenModelArguments& arguments,
                                             const ImageDataset& train);
/// On the model's device. Progress goes to stderr: "features of the <what> images".
FeatureSet features_of(const FrozenModel& model, const ImageDataset& dataset, const char* what);
/// Displays the progress of a pass over images on stderr.
ExtractionProgress show_pass(const std::string& what);

}  // namespace rela
