#include "rela/programs/neighbours.h"

#include "rela/data/images/decode.h"
#include "rela/eval/cosine_search.h"
#include "rela/eval/raw_pixels.h"
#include "rela/programs/named_model.h"
#include "rela/programs/program.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/log.h"

namespace rela {
namespace {

int64_t model_count(const NeighboursArguments& a) {
  return std::ssize(a.runs) + std::ssize(a.untrained) + std::ssize(a.weights) + (a.pixels ? 1 : 0);
}

void check_arguments(const NeighboursArguments& a) {
  const int64_t models = model_count(a);
  RELA_CHECK(models > 0, UsageError,
             "--run, --untrained, --weights, --pixels: no model was named; name one or more");
  RELA_CHECK(a.models.size() == a.weights.size(), UsageError, "--model: given ", a.models.size(),
             " times for ", a.weights.size(),
             " times --weights; each --weights needs its model's name, e.g. resnet18");
  RELA_CHECK(a.names.empty() || std::ssize(a.names) == models, UsageError, "--name: given ",
             a.names.size(), " times for ", models, " models; give one for each, in their order");
  RELA_CHECK(!a.sheet.picture.empty(), UsageError, "--out: no file was named for the picture");
}

/// The models in the order of the command line.
std::vector<NamedModel> load_models(const CommandLine& app, const NeighboursArguments& a,
                                    const ImageDataset& train, Device device) {
  std::vector<NamedModel> models;
  size_t run = 0, fresh = 0, file = 0;
  for (const std::string& option : app.given_options()) {
    if (option == "--run") {
      const std::string& folder = a.runs[run++];
      models.push_back(trained_model(exported_model(folder), folder_name(folder), device));
    } else if (option == "--untrained") {
      models.push_back(untrained_model(a.untrained[fresh++], device));
    } else if (option == "--weights") {
      const std::string& name = a.models[file];
      const ModelSource source = named_model(name, a.weights[file++]);
      tell_assumed_size(source);
      models.push_back(trained_model(source, name, device));
    } else if (option == "--pixels") {
      models.push_back(raw_pixels(stored_side(train), device));
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
  app.add_option("--queries", a.sheet.queries,
                 "test images, one of each class if there are enough; otherwise 8");
  app.add_option("--k", a.sheet.k, "neighbours of each").show_default();
  app.add_option("--train-images", a.candidates,
                 "search only this many training images, drawn at random; otherwise all")
      .positive();
  app.add_option("--scale", a.sheet.scale,
                 "magnification of the images; otherwise as their size needs")
      .between(1, 16);
  app.add_option("--seed", a.sheet.seed, "of what is drawn at random")
      .not_negative()
      .show_default();
  app.add_option("--out", a.sheet.picture, "the picture (PNG)");
}

NeighbourPicture::NeighbourPicture(const SheetArguments& arguments, const Subset& candidates,
                                   const ImageDataset& test, Device device, int64_t models)
    : file_(arguments.picture),
      candidates_(candidates),
      sheet_{
          .train = candidates,
          .test = test,
          .queries = choose_queries(
              test, arguments.queries.value_or(std::min<int64_t>(8, test.size())), arguments.seed),
          .k = arguments.k,
          .scale = arguments.scale},
      queries_(test, sheet_.queries) {
  RELA_CHECK(arguments.k >= 1 && arguments.k <= candidates.size(), ConfigError, arguments.k_option,
             ": ", arguments.k, "; 1 to ", candidates.size(),
             " are allowed, as many as there are training images to search");
  check_neighbour_count(arguments.k, device);
  NeighbourSheet empty = sheet_;
  empty.groups.resize(static_cast<size_t>(models));
  const SheetLayout layout(empty);  // as far as the queries show how large images are
  RELA_CHECK(layout.width() * layout.height() <= kMaxImagePixels, ConfigError, "--queries, ",
             arguments.k_option, ": a picture of ", layout.width(), " x ", layout.height(),
             " pixels; at most ", kMaxImagePixels,
             " can be drawn; lower one of them, or the magnification of the images");
}

Neighbours NeighbourPicture::add(const std::string& name, const FeatureSet& bank,
                                 const FeatureSet& queries) {
  Neighbours found = find_neighbours(bank, queries, sheet_.k);
  sheet_.groups.push_back({name, found.rows});
  for (int64_t& row : found.rows) row = candidates_.position(row);
  return found;
}

void NeighbourPicture::write() const {
  write_file_atomic(file_, to_png(draw_neighbour_sheet(sheet_)));
}

void draw_neighbours(const CommandLine& app, const NeighboursArguments& a) {
  check_arguments(a);
  std::vector<std::string> inputs = inputs_of(a.data);
  inputs.insert(inputs.end(), a.weights.begin(), a.weights.end());
  for (const std::vector<std::string>* runs : {&a.runs, &a.untrained}) {
    for (const std::string& run : *runs) add_files_of_run(run, inputs);
  }
  check_picture_file("--out", a.sheet.picture, inputs);
  const Device device = a.device.open();
  const auto train = open_data(a.data, Split::kTrain);
  const auto test = open_test_data(a.data, *train);
  const Subset candidates(*train, a.candidates > 0 ? a.candidates : train->size(), a.sheet.seed);
  NeighbourPicture picture(a.sheet, candidates, *test, device, model_count(a));
  JsonValue::Array models;
  for (const NamedModel& model : load_models(app, a, *train, device)) {
    log_info("neighbours by ", model.name);
    models.push_back(to_json(model,
                             picture.add(model.name, model.features(candidates, "training"),
                                         model.features(picture.queries(), "test")),
                             a.sheet.k));
  }
  print_result(JsonValue::Object{
      {"protocol", "neighbours"},
      {"picture", a.sheet.picture},
      {"queries", std::ssize(picture.positions())},
      {"k", a.sheet.k},
      {"train_images", candidates.size()},
      {"seed", a.sheet.seed},
      {"query_images", to_json(picture.positions(), 0, std::ssize(picture.positions()))},
      {"models", std::move(models)}});
  picture.write();
}

}  // namespace rela
