#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>

#include "rela/config/normalize_field.h"
#include "rela/data/subset.h"
#include "rela/eval/classify.h"
#include "rela/eval/cosine_search.h"
#include "rela/eval/knn.h"
#include "rela/eval/linear_probe.h"
#include "rela/eval/raw_pixels.h"
#include "rela/programs/command_line.h"
#include "rela/programs/device_option.h"
#include "rela/programs/frozen_model.h"
#include "rela/programs/named_model.h"
#include "rela/programs/neighbours.h"
#include "rela/programs/program.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSubsetSeed = 1;

struct Arguments {
  FrozenModelArguments model;
  DeviceOption device;
  KnnOptions knn;
  std::string probe = "rela";
  int64_t epochs = 100;
  bool pixels = false;
  int64_t train_images = 0;  // 0: all
  SheetArguments sheet{.picture = "", .k_option = "--neighbours"};
  std::string out;
};

void describe_common(CommandLine& app, Arguments& a) {
  describe_arguments(app, a.model);
  a.device.describe(app);
  app.add_option("--out", a.out, "write the result there too (JSON)");
}

/// What names the images that a result is about. `train`: null where only the test split counts.
JsonValue::Object describe_images(const Arguments& a, const ImageDataset* train,
                                  const ImageDataset& test) {
  JsonValue::Object data{{"format", a.model.format}};
  if (!a.model.data.empty()) data.emplace_back("path", a.model.data);
  if (!a.model.test_data.empty()) data.emplace_back("test_path", a.model.test_data);
  if (train != nullptr) data.emplace_back("train_fingerprint", to_hex(train->fingerprint()));
  data.emplace_back("test_fingerprint", to_hex(test.fingerprint()));
  return data;
}

NamedModel knn_model(const Arguments& a, const ImageDataset& train, Device device) {
  if (a.pixels) return raw_pixels(a.model.image_size.value_or(stored_side(train)), device);
  const std::string name = a.model.run.empty() ? a.model.model : folder_name(a.model.run);
  return trained_model(model_source(a.model), name, device);
}

EvalResult run_knn(const Arguments& a, Device device) {
  const auto all = open_data(a.model, Split::kTrain);
  const auto test = open_test_data(a.model, *all);
  const Subset train(*all, a.train_images > 0 ? a.train_images : all->size(), kSubsetSeed);
  check_neighbour_count(std::min(a.knn.k, train.size()), device);
  std::optional<NeighbourPicture> picture;
  if (!a.sheet.picture.empty()) picture.emplace(a.sheet, train, *test, device, 1);
  const NamedModel model = knn_model(a, *all, device);
  const FeatureSet bank = model.features(train, "training");
  const FeatureSet queries = model.features(*test, "test");
  KnnOptions options = a.knn;
  options.progress = show_pass("neighbours of the test images");
  EvalResult result = knn_evaluate(bank, queries, options);
  if (a.pixels) result.protocol = "knn_pixels";
  result.data = describe_images(a, all.get(), *test);
  result.weights_sha256 = model.weights_sha256;
  if (picture) {
    picture->add(model.name, bank, select_rows(queries, picture->positions()));
    picture->write();
    log_info("the ", a.sheet.k, " nearest to ", picture->positions().size(),
             " test images: ", a.sheet.picture);
  }
  return result;
}

EvalResult run_linear(const Arguments& a, Device device) {
  RELA_CHECK(
      a.probe == "rela" || a.probe == "sgd", UsageError, "--probe: \"", a.probe,
      "\"; allowed: rela (Adam 3e-4), sgd (Nesterov, learning rate chosen on held-out images)");
  const FrozenModel model = load_frozen_model(a.model, device);
  const auto train_set = open_data(a.model, Split::kTrain);
  const auto test_set = open_test_data(a.model, *train_set);
  const FeatureSet train = features_of(model, *train_set, "training");
  const FeatureSet test = features_of(model, *test_set, "test");
  const ProbeCallback progress = [](const ProbeProgress& p) {
    if (p.epoch % 20 == 0 || p.epoch == p.epochs) {
      log_info("probe epoch ", p.epoch, "/", p.epochs, " | lr ", p.lr, " | loss ", p.loss);
    }
  };
  EvalResult result = a.probe == "rela"
                          ? adam_probe(train, test, {.epochs = a.epochs, .progress = progress})
                          : sgd_probe(train, test, {.epochs = a.epochs, .progress = progress});
  result.data = describe_images(a, train_set.get(), *test_set);
  result.weights_sha256 = weights_sha256(model.source);
  return result;
}

EvalResult run_classify(const Arguments& a, Device device) {
  const ModelSource source = model_source(a.model);
  LoadedClassifier classifier = load_classifier(source);
  classifier.model->move_to(device);
  const auto test = open_data(a.model, Split::kTest);
  const ModelInput& input = source.input;
  EvalResult result = classify(classifier, *test,
                               {.image_size = input.image_size,
                                .photos = input.photos,
                                .normalization = input.normalization,
                                .device = device},
                               show_pass("classified"));
  result.add_setting("model", name_of(source.spec));
  result.add_setting("image_size", input.image_size);
  result.settings.emplace_back("normalize", to_json(input.normalization));
  result.add_setting("precision", "fp32");
  result.data = describe_images(a, nullptr, *test);
  result.weights_sha256 = weights_sha256(source);
  return result;
}

/// Where a run keeps what was measured of it.
fs::path results_folder(const Arguments& a) { return fs::path(a.model.run) / "eval"; }

/// Found out before the work: a run may be somebody else's.
bool can_keep_result(const Arguments& a, const std::string& protocol) {
  if (a.model.run.empty()) return false;
  try {
    const fs::path folder = results_folder(a);
    check_writable((fs::exists(folder) ? folder / (protocol + ".json") : folder).string());
    return true;
  } catch (const IoError& e) {
    log_warning(e.what(), "; the result is only printed",
                a.out.empty() ? ": pass --out to keep it in a file" : " and written to --out");
    return false;
  }
}

EvalResult measure(const Arguments& a, const std::string& protocol) {
  if (!a.out.empty()) check_output("--out", a.out, inputs_of(a.model));
  if (!a.sheet.picture.empty())
    check_picture_file("--picture", a.sheet.picture, inputs_of(a.model), a.out);
  const Device device = a.device.open();
  if (protocol == "knn") return run_knn(a, device);
  return protocol == "linear" ? run_linear(a, device) : run_classify(a, device);
}

ExitCode measure_and_report(const Arguments& a, const std::string& protocol) {
  const bool is_kept = can_keep_result(a, protocol);
  const EvalResult result = measure(a, protocol);
  print_result(to_json(result));
  if (!a.out.empty()) write_result(a.out, result);
  if (is_kept) {
    make_directories(results_folder(a).string());
    write_result((results_folder(a) / (name_of(result) + ".json")).string(), result);
  }
  return ExitCode::kDone;
}

void describe_knn(CommandLine& knn, Arguments& a) {
  describe_common(knn, a);
  knn.add_option("--k", a.knn.k, "neighbours that vote; at most 256 on cuda")
      .positive()
      .show_default();
  knn.add_option("--temperature", a.knn.temperature, "of the votes").positive().show_default();
  knn.add_option("--train-images", a.train_images,
                 "search only this many training images, drawn at random; otherwise all")
      .positive();
  knn.add_flag("--pixels", a.pixels,
               "the pixels themselves as features: no model; at the size of the first training "
               "image unless --image-size says another");
  knn.add_option("--picture", a.sheet.picture,
                 "draw some test images with their nearest training images there (PNG)");
  knn.add_option("--queries", a.sheet.queries, "test images in --picture; otherwise 8");
  knn.add_option("--neighbours", a.sheet.k, "training images for each of them").show_default();
}

/// Options that would change nothing.
void check_idle_options(const CommandLine& knn, const Arguments& a) {
  const auto is_one_of = [](const std::string& option, std::initializer_list<const char*> names) {
    return std::ranges::find(names, option) != names.end();
  };
  for (const std::string& option : knn.given_options()) {
    RELA_CHECK(!a.sheet.picture.empty() || !is_one_of(option, {"--queries", "--neighbours"}),
               UsageError, option, ": it is about the picture; name its file with --picture");
    RELA_CHECK(
        !a.pixels || !is_one_of(option, {"--run", "--weights", "--model", "--width", "--cifar-stem",
                                         "--activation", "--allow-partial", "--normalize"}),
        UsageError, option, ": it is about a model, and --pixels has none; pass one of them");
  }
}

ExitCode run(int argc, const char* const* argv) {
  CommandLine app(
      "Measures a frozen backbone on a labelled data set. The last line on stdout is the result "
      "(JSON).",
      "evaluate");
  Arguments a;
  CommandLine& knn = app.add_subcommand(
      "knn", "weighted k nearest neighbours: fits on the training split, counts on the test split");
  describe_knn(knn, a);
  CommandLine& linear = app.add_subcommand("linear", "a linear classifier on frozen features");
  describe_common(linear, a);
  linear.add_option("--probe", a.probe, "rela or sgd").show_default();
  linear.add_option("--epochs", a.epochs, "epochs of the probe")
      .between(1, 1'000'000)
      .show_default();
  CommandLine& classify = app.add_subcommand(
      "classify", "the model's own classifier, counted on the test split: top-1 and top-5");
  describe_common(classify, a);
  NeighboursArguments sheet;
  CommandLine& neighbours = app.add_subcommand(
      "neighbours", "a picture of the training images that are nearest to some test images");
  describe_neighbours(neighbours, sheet);
  if (!app.parse(argc, argv)) return ExitCode::kDone;
  if (neighbours.was_given()) {
    draw_neighbours(neighbours, sheet);
    return ExitCode::kDone;
  }
  check_idle_options(knn, a);
  return measure_and_report(a, classify.was_given() ? "classify"
                               : knn.was_given()    ? "knn"
                                                    : "linear");
}

}  // namespace

int evaluate_main(int argc, const char* const* argv) {
  return run_single_program("evaluate", [&] { return run(argc, argv); });
}

}  // namespace rela
