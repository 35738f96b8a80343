#include "rela/programs/frozen_model.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "nn/state.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/json.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

template <class T>
const T& member(const JsonValue& object, const char* key, const std::string& file) {
  const JsonValue* value = object.find(key);
  const T* data = value == nullptr ? nullptr : value->as<T>();
  RELA_CHECK(data != nullptr, WeightsError, file, ": ", key,
             " is missing; the folder is not an export of this program");
  return *data;
}

BackboneSpec exported_spec(const fs::path& folder) {
  const std::string file = (folder / "config.json").string();
  const JsonValue json = parse_json(read_file(file));
  return {member<std::string>(json, "architecture", file), member<bool>(json, "cifar_stem", file),
          member<int64_t>(json, "width", file)};
}

}  // namespace

void describe_arguments(CLI::App& app, FrozenModelArguments& a) {
  app.add_option("--run", a.run, "folder of a finished run: its exported backbone");
  app.add_option("--weights", a.weights, "safetensors file with torchvision's names");
  app.add_option("--model", a.model, "model of --weights, e.g. resnet18");
  app.add_option("--width", a.width, "channels of the first stage of --model")
      ->capture_default_str();
  app.add_flag("--cifar-stem", a.cifar_stem,
               "--model begins with a 3x3 convolution and no max-pool");
  app.add_option("--data", a.data, "folder of the data set");
  app.add_option("--format", a.format, "cifar10, cifar100 or synthetic")->capture_default_str();
  app.add_option("--image-size", a.image_size, "side of the images that the model sees")
      ->capture_default_str();
}

Tensor FrozenModel::embed(const Tensor& images) const {
  const NoGradGuard no_grad;
  return backbone->forward(Var(images), {.norm = NormMode::kEval}).value();
}

FrozenModel load_frozen_model(const FrozenModelArguments& a) {
  RELA_CHECK(a.run.empty() != a.weights.empty(), UsageError,
             "--run, --weights: exactly one of them says which model to load");
  RELA_CHECK(a.weights.empty() || !a.model.empty(), UsageError,
             "--model: --weights needs the model's name, e.g. resnet18");
  BackboneSpec spec{a.model, a.cifar_stem, a.width};
  FrozenModel model;
  model.weights_file = a.weights;
  if (!a.run.empty()) {
    const fs::path exported = fs::path(a.run) / "exported";
    RELA_CHECK(fs::exists(exported / "backbone.safetensors"), IoError, exported.string(),
               ": no exported backbone; the run is not finished, train_byol --resume auto goes on "
               "with it");
    spec = exported_spec(exported);
    model.weights_file = (exported / "backbone.safetensors").string();
  }
  model.backbone = make_backbone(spec);
  std::vector<StateTensor> state = state_of(*model.backbone);
  load_state(SafetensorsReader(model.weights_file), state,
             {.file_prefix = "", .ignored_prefixes = {"fc."}});
  log_info("loaded ", state.size(), " tensors of ", spec.name, " from ", model.weights_file);
  return model;
}

std::unique_ptr<ImageDataset> open_data(const FrozenModelArguments& a, Split split) {
  RELA_CHECK(!a.data.empty() || a.format == "synthetic", UsageError,
             "--data: no data set was named");
  return open_dataset({.format = a.format, .path = a.data, .split = split});
}

FeatureSet features_of(const FrozenModel& model, const ImageDataset& dataset,
                       const FrozenModelArguments& a) {
  int64_t next_report = 0;
  return extract_features(
      dataset, {.image_size = a.image_size},
      [&](const Tensor& images) { return model.embed(images); },
      [&](int64_t done, int64_t total) {
        if (done < next_report && done < total) return;
        log_info("features of ", done, "/", total, " images");
        next_report = done + total / 5;
      });
}

}  // namespace rela
