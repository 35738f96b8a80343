#include "rela/programs/neighbours.h"

#include <filesystem>
#include <functional>

#include "rela/config/experiment_config.h"
#include "rela/data/subset.h"
#include "rela/eval/cosine_search.h"
#include "rela/eval/neighbours.h"
#include "rela/eval/raw_pixels.h"
#include "rela/pictures/neighbour_sheet.h"
#include "rela/prior/prior.h"
#include "rela/programs/program.h"
#include "rela/train/setup.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

struct NamedModel {
  std::string name;
  std::string weights_sha256;  // empty: none
  /// `what` names the images in the progress line: "training" or "test".
  std::function<FeatureSet(const ImageDataset&, const char* what)> features;
};

NamedModel frozen(const ModelSource& source, std::string name, Device device) {
  const auto model = std::make_shared<FrozenModel>(source, device);
  return {std::move(name), sha256_file(source.weights_file),
          [model](const ImageDataset& images, const char* what) {
            return features_of(*model, images, what);
          }};
}

std::string folder_name(const std::string& folder) {
  const fs::path path = fs::absolute(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

/// The network of a run as its config and seed draw it.
NamedModel untrained(const std::string& folder, Device device) {
  constexpr int64_t kBatch = 256;
  const fs::path file = fs::path(folder) / "config.resolved.json";
  RELA_CHECK(fs::exists(file), IoError, "--untrained: ", file.string(),
             " is not there; name the folder of a run of train_byol");
  PriorSpec spec = prior_spec(load_config(file.string()));
  spec.source = {.model = kRandomPrior};
  const auto model = std::make_shared<Prior>(spec, device);
  log_info("made ", model->description());
  const auto embed = [model](const Tensor& images) { return model->embed(images); };
  return {"untrained", model->weights_sha256(),
          [model, embed](const ImageDataset& images, const char* what) {
            return extract_features(images, model->eval_options(kBatch), embed,
                                    show_pass(cat("features of the ", what, " images")));
          }};
}

NamedModel raw_pixels(const ImageDataset& train, Device device) {
  return {"pixels", "",
          [side = stored_side(train), device](const ImageDataset& images, const char*) {
            return raw_pixel_features(images, side, device);
          }};
}

void check_arguments(const NeighboursArguments& a) {
  const size_t models =
      a.runs.size() + a.untrained.size() + a.weights.size() + (a.pixels ? 1U : 0U);
  RELA_CHECK(models > 0, UsageError,
             "--run, --untrained, --weights, --pixels: no model was named; name one or more");
  RELA_CHECK(a.models.size() == a.weights.size(), UsageError, "--model: given ", a.models.size(),
             " times for ", a.weights.size(),
             " times --weights; each --weights needs its model's name, e.g. resnet18");
  RELA_CHECK(a.names.empty() || a.names.size() == models, UsageError, "--name: given ",
             a.names.size(), " times for ", models, " models; give one for each, in their order");
  RELA_CHECK(!a.out.empty(), UsageError, "--out: no file was named for the picture");
}

/// The models in the order of the command line.
std::vector<NamedModel> load_models(const CommandLine& app, const NeighboursArguments& a,
                                    const ImageDataset& train, Device device) {
  std::vector<NamedModel> models;
  size_t run = 0, fresh = 0, file = 0;
  for (const std::string& option : app.given_options()) {
    if (option == "--run") {
      const std::string& folder = a.runs[run++];
      models.push_back(frozen(exported_model(folder), folder_name(folder), device));
    } else if (option == "--untrained") {
      models.push_back(untrained(a.untrained[fresh++], device));
    } else if (option == "--weights") {
      const std::string& name = a.models[file];
      models.push_back(frozen(named_model(name, a.weights[file++]), name, device));
    } else if (option == "--pixels") {
      models.push_back(raw_pixels(train, device));
    }
  }
  for (size_t i = 0; i < a.names.size(); ++i) models[i].name = a.names[i];
  return models;
}

JsonValue to_json(const std::vector<int64_t>& integers, int64_t begin, int64_t end) {
  return JsonValue::Array(integers.begin() + begin, integers.begin() + end);
}

JsonValue to_json(const NamedModel& model, const Neighbours& found, int64_t k) {
  const auto total = std::ssize(found.rows);
  JsonValue::Array rows;
  for (int64_t i = 0; i < total; i += k) rows.push_back(to_json(found.rows, i, i + k));
  JsonValue::Object object{
      {"name", model.name},
      {"same_class", found.same_class},
      {"total", static_cast<int64_t>(total)},
      {"share", static_cast<double>(found.same_class) / static_cast<double>(total)},
      {"neighbours", std::move(rows)}};
  if (!model.weights_sha256.empty()) object.emplace_back("weights_sha256", model.weights_sha256);
  return object;
}

}  // namespace

void describe_neighbours(CommandLine& app, NeighboursArguments& a) {
  app.add_option("--run", a.runs,
                 "folder of a finished run: its exported backbone; may be repeated");
  app.add_option("--untrained", a.untrained,
                 "folder of a run: its network before the first step; may be repeated");
  app.add_option("--weights", a.weights,
                 "safetensors file with torchvision's names; may be repeated, each with a --model");
  app.add_option("--model", a.models, "model of --weights, e.g. resnet18");
  app.add_flag("--pixels", a.pixels, "the pixels themselves as features: no model");
  app.add_option("--name", a.names, "title of a model; once for each, in their order");
  describe_data(app, a.data);
  a.device.describe(app);
  app.add_option("--queries", a.queries, "test images, one of each class if there are enough")
      .show_default();
  app.add_option("--k", a.k, "neighbours of each").show_default();
  app.add_option("--train-images", a.candidates,
                 "search only this many training images, drawn at random; otherwise all")
      .positive();
  app.add_option("--scale", a.scale, "magnification of the images; otherwise as their size needs")
      .between(1, 16);
  app.add_option("--seed", a.seed, "of what is drawn at random").not_negative().show_default();
  app.add_option("--out", a.out, "the picture (PNG)");
}

void draw_neighbours(const CommandLine& app, const NeighboursArguments& a) {
  check_arguments(a);
  RELA_CHECK(a.out.ends_with(".png"), UsageError, "--out: \"", a.out,
             "\"; the picture is a PNG: a file that ends in .png");
  check_writable(a.out);
  const Device device = a.device.open();
  const auto train = open_data(a.data, Split::kTrain);
  const auto test = open_test_data(a.data, *train);
  const Subset candidates(*train, a.candidates > 0 ? a.candidates : train->size(), a.seed);
  const Subset queries(*test, choose_queries(*test, a.queries, a.seed));
  RELA_CHECK(a.k >= 1 && a.k <= candidates.size(), ConfigError, "--k: ", a.k, "; 1 to ",
             candidates.size(), " are allowed, as many as there are training images to search");
  check_neighbour_count(a.k, device);
  NeighbourSheet sheet{.train = *train, .test = *test, .k = a.k, .scale = a.scale};
  for (int64_t i = 0; i < queries.size(); ++i) sheet.queries.push_back(queries.position(i));
  JsonValue::Array models;
  for (const NamedModel& model : load_models(app, a, *train, device)) {
    log_info("neighbours by ", model.name);
    Neighbours found = find_neighbours(model.features(candidates, "training"),
                                       model.features(queries, "test"), a.k);
    for (int64_t& row : found.rows) row = candidates.position(row);
    models.push_back(to_json(model, found, a.k));
    sheet.groups.push_back({model.name, std::move(found.rows)});
  }
  print_result(
      JsonValue::Object{{"protocol", "neighbours"},
                        {"picture", a.out},
                        {"queries", a.queries},
                        {"k", a.k},
                        {"train_images", candidates.size()},
                        {"seed", a.seed},
                        {"query_images", to_json(sheet.queries, 0, std::ssize(sheet.queries))},
                        {"models", std::move(models)}});
  write_file_atomic(a.out, to_png(draw_neighbour_sheet(sheet)));
}

}  // namespace rela
