#include "rela/programs/frozen_model.h"

#include <utility>

#include "rela/config/normalize_field.h"
#include "rela/programs/command_line.h"
#include "rela/run/pass_display.h"
#include "rela/run/run_directory.h"
#include "runtime/error.h"
#include "runtime/io/json.h"
#include "runtime/log.h"

namespace rela {
namespace {

Normalization parse_normalization(const std::string& text) {
  std::optional<Normalization> value;
  const std::unique_ptr<ConfigField> field = make_normalize_field(value);
  JsonValue json(text);
  if (text.starts_with('{')) {
    try {
      json = parse_json(text);
    } catch (const JsonError& error) {
      throw UsageError(cat("--normalize: not JSON: ", error.what()));
    }
  }
  const ConfigComplaint complaint = field->read(json, "");
  RELA_CHECK(complaint.message.empty(), UsageError, "--normalize: ", complaint.message, " (got ",
             text, ")");
  return *value;
}

}  // namespace

void describe_data(CommandLine& app, FrozenModelArguments& a) {
  app.add_option("--data", a.data, "file or folder of the data set");
  app.add_option("--test-data", a.test_data, "folder of its test split; otherwise --data");
  app.add_option("--format", a.format,
                 "cifar10, cifar100, idx, imagefolder, tar, packed or synthetic")
      .show_default();
  app.add_option("--synthetic-images", a.synthetic_images,
                 "training images of the synthetic data set; otherwise 5,000")
      .positive();
}

void describe_arguments(CommandLine& app, FrozenModelArguments& a) {
  app.add_option("--run", a.run, "folder of a finished run: its exported backbone");
  app.add_option(
      "--weights", a.weights,
      "file or folder of weights, as safetensors, PyTorch or Hugging Face write them, under the "
      "names of torchvision, timm or who published them");
  app.add_flag("--allow-partial", a.allow_partial,
               "take weights that are incomplete or do not all fit; what is missing stays random");
  app.add_option("--model", a.model,
                 "model of --weights, e.g. resnet18; otherwise as config.json beside them says");
  app.add_option("--width", a.width,
                 "channels of the first stage of --model; otherwise as the weights show");
  app.add_flag("--cifar-stem", a.cifar_stem,
               "--model begins with a 3x3 convolution and no max-pool; otherwise as the weights "
               "show");
  describe_activation(app, a.activation);
  describe_data(app, a);
  app.add_option("--image-size", a.image_size,
                 "side of the images that the model sees; otherwise as it was trained")
      .between(1, 4096);
  app.add_option(
      "--normalize", a.normalize,
      "imagenet, clip, cifar10, half, none or {\"mean\": [r, g, b], \"std\": [r, g, b]}; "
      "otherwise as the model was trained");
}

FrozenModel::FrozenModel(ModelSource model_source, Device where)
    : source(std::move(model_source)), device(where), backbone(load_backbone(source)) {
  backbone->move_to(device);
  log_info("loaded ", name_of(source.spec), " from ", source.weights_file);
}

EvalOptions FrozenModel::eval_options() const {
  return {.image_size = source.input.image_size,
          .photos = source.input.photos,
          .normalization = source.input.normalization,
          .device = device};
}

Tensor FrozenModel::embed(const Tensor& images) const {
  const NoGradGuard no_grad;
  return backbone->forward(Var(images), {.norm = NormMode::kEval}).value();
}

void describe_activation(CommandLine& app, std::string& option) {
  app.add_option(
      "--activation", option,
      "quick_gelu or gelu: of a vision transformer of CLIP's, if --model does not say it");
}

ClipActivation activation_of(const std::string& option) {
  if (option.empty()) return ClipActivation::kUnstated;
  for (const Choice<ClipActivation>& c : clip_activations()) {
    if (option == c.name && c.value != ClipActivation::kUnstated) return c.value;
  }
  throw UsageError(cat("--activation: ", option, "; quick_gelu or gelu is allowed"));
}

void add_files_of_run(const std::string& run, std::vector<std::string>& inputs) {
  inputs.push_back(run + "/backbone.safetensors");  // of a folder that was exported
  for (const char* file : run_files()) inputs.push_back(run + "/" + file);
  std::erase(inputs, run + "/eval");  // results
}

std::vector<std::string> inputs_of(const FrozenModelArguments& a) {
  std::vector<std::string> inputs{a.weights, a.data, a.test_data};
  if (!a.run.empty()) add_files_of_run(a.run, inputs);
  return inputs;
}

ModelSource model_source(const FrozenModelArguments& a) {
  RELA_CHECK(a.run.empty() != a.weights.empty(), UsageError,
             "--run, --weights: exactly one of them says which model to load");
  const std::string model =
      a.model.empty() && !a.weights.empty() ? described_model(a.weights) : a.model;
  RELA_CHECK(a.weights.empty() || !model.empty(), UsageError,
             "--model: --weights needs the model's name, e.g. resnet18; no config.json beside them "
             "says it");
  for (const auto& [option, is_given] : {std::pair{"--model", !a.model.empty()},
                                         {"--width", a.width.has_value()},
                                         {"--cifar-stem", a.cifar_stem},
                                         {"--activation", !a.activation.empty()},
                                         {"--allow-partial", a.allow_partial}}) {
    RELA_CHECK(a.run.empty() || !is_given, UsageError, option,
               ": it is about --weights; --run says itself what its model is");
  }
  ModelSource source = a.run.empty() ? named_model(model, a.weights, activation_of(a.activation))
                                     : exported_model(a.run);
  source.allow_partial = a.allow_partial;
  if (auto* resnet = std::get_if<ResNetSpec>(&source.spec)) {  // the others come in one shape
    if (a.width) resnet->width = *a.width;
    if (a.cifar_stem) resnet->cifar_stem = true;
  } else {
    RELA_CHECK(!a.width && !a.cifar_stem, UsageError, a.width ? "--width" : "--cifar-stem", ": ",
               name_of(source.spec), " has one shape only; the option is for resnet18 to 101");
  }
  if (a.image_size) {
    const std::string complaint = resize_images(source, *a.image_size);
    RELA_CHECK(complaint.empty(), UsageError, "--image-size: ", *a.image_size, "; ", complaint);
  }
  tell_assumed_size(source, "--image-size says another");
  if (!a.normalize.empty()) source.input.normalization = parse_normalization(a.normalize);
  return source;
}

FrozenModel load_frozen_model(const FrozenModelArguments& a, Device device) {
  return FrozenModel(model_source(a), device);
}

namespace {

DatasetSource source_of(const FrozenModelArguments& a, Split split) {
  const bool has_path = split == Split::kTest && !a.test_data.empty();
  const std::string& path = has_path ? a.test_data : a.data;
  const bool is_synthetic = a.format == "synthetic";
  RELA_CHECK(!path.empty() || is_synthetic, UsageError, "--data: no data set was named");
  RELA_CHECK(path.empty() || !is_synthetic, UsageError, "--data: \"", path,
             "\"; --format synthetic makes its images and reads none: pass one of them");
  RELA_CHECK(a.synthetic_images == 0 || is_synthetic, UsageError,
             "--synthetic-images: for --format synthetic only; leave it out");
  return {.format = data_format(a.format),
          .path = path,
          .split = split,
          .synthetic_size = split == Split::kTrain ? a.synthetic_images : 0,
          .path_is_split = has_path,
          .cache_folder = default_cache_folder()};
}

}  // namespace

std::unique_ptr<ImageDataset> open_data(const FrozenModelArguments& a, Split split) {
  return open_dataset(source_of(a, split));
}

std::unique_ptr<ImageDataset> open_matched(const FrozenModelArguments& a, Split split) {
  auto images = open_data(a, split);
  const bool can_match = split == Split::kTest && !a.data.empty() && images->has_many_sizes() &&
                         has_split(source_of(a, Split::kTrain));
  return can_match ? match_classes(std::move(images), *open_data(a, Split::kTrain))
                   : std::move(images);
}

std::unique_ptr<ImageDataset> open_test_data(const FrozenModelArguments& a,
                                             const ImageDataset& train) {
  auto test = open_data(a, Split::kTest);
  warn_if_same(train, *test);
  const bool blames_test = train.has_labels() && !a.test_data.empty();
  RELA_CHECK(train.has_labels() && test->has_labels(), DataError,
             blames_test ? a.test_data : a.data,
             train.has_labels() ? ": the test images" : ": the training images",
             " have no labels, and this evaluation needs them");
  return match_classes(std::move(test), train);
}

ExtractionProgress show_pass(const std::string& what) {
  return show_pass(ProgressDisplay::style_for_stderr(), what);
}

FeatureSet features_of(const FrozenModel& model, const ImageDataset& dataset, const char* what) {
  return extract_features(
      dataset, model.eval_options(), [&](const Tensor& images) { return model.embed(images); },
      show_pass(cat("features of the ", what, " images")));
}

}  // namespace rela
