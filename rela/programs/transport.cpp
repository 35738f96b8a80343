#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "rela/programs/command_line.h"
#include "rela/programs/device_option.h"
#include "rela/programs/program.h"
#include "rela/report/heat_map.h"
#include "rela/transport/compare.h"
#include "runtime/io/file.h"
#include "runtime/log.h"

namespace rela {
namespace {

struct Arguments {
  std::string from, to;
  std::string all;  // a folder
  DeviceOption device;
  CompareOptions options;
  std::string out;
  std::string svg;
};

std::vector<std::filesystem::path> embedding_files(const std::string& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  RELA_CHECK(!error, IoError, folder, ": ", error.message(),
             "; a folder of files that embed wrote is needed");
  std::sort(files.begin(), files.end());
  RELA_CHECK(files.size() >= 2, DataError, folder, ": ", files.size(),
             " files end in .safetensors; two or more are needed; write them with embed");
  return files;
}

void check(const Arguments& a) {
  const bool is_pair = !a.from.empty() && !a.to.empty();
  const bool is_half = a.from.empty() != a.to.empty();
  RELA_CHECK(!is_half && is_pair == a.all.empty(), UsageError, "transport: ",
             is_half   ? "one of --from and --to"
             : is_pair ? "a pair and --all"
                       : "no files",
             "; allowed: both --from and --to, or --all with a folder");
  RELA_CHECK(a.svg.empty() || !a.all.empty(), UsageError,
             "--svg: without --all; the picture is of a matrix of models; give --all");
  for (const std::string& file : {a.out, a.svg}) {
    if (!file.empty()) check_writable(file);
  }
  std::vector<std::string> inputs{a.from, a.to};
  if (!a.all.empty()) {
    for (const auto& file : embedding_files(a.all)) inputs.push_back(file.string());
  }
  if (!a.out.empty()) check_output("--out", a.out, inputs);
  if (!a.svg.empty()) check_output("--svg", a.svg, inputs);
}

void print_and_write(const JsonValue& result, const std::string& out) {
  print_result(result);
  if (!out.empty()) write_file_atomic(out, to_json_text(result, JsonLayout::kIndented) + "\n");
}

JsonValue compare_pair(const Arguments& a, Device device) {
  check_same_images(a.from, a.to);
  const Comparison c =
      compare_features(read_features(a.from).on(device), read_features(a.to).on(device), a.options);
  JsonValue result = to_json(c, a.options);
  JsonValue::Object& object = *result.as<JsonValue::Object>();
  object.insert(object.begin(), {JsonValue::Member{"from", a.from}, JsonValue::Member{"to", a.to}});
  return result;
}

/// A number for every ordered pair of models; NaN on the diagonal.
struct Matrix {
  explicit Matrix(size_t n) : size(n), values(n * n, std::numeric_limits<double>::quiet_NaN()) {}
  double& at(size_t row, size_t column) { return values[row * size + column]; }
  double at(size_t row, size_t column) const { return values[row * size + column]; }
  JsonValue to_json() const {
    JsonValue::Array rows;
    for (size_t i = 0; i < size; ++i) {
      JsonValue::Array row;
      for (size_t j = 0; j < size; ++j) {
        row.emplace_back(std::isfinite(at(i, j)) ? JsonValue(at(i, j)) : JsonValue(nullptr));
      }
      rows.emplace_back(std::move(row));
    }
    return JsonValue(std::move(rows));
  }

  size_t size;
  std::vector<double> values;  // [n, n], from the row to the column
};

struct Models {
  explicit Models(std::vector<std::string> all_names)
      : names(std::move(all_names)),
        residual(names.size()),
        cka(names.size()),
        cka_debiased(names.size()) {}
  std::vector<std::string> names;
  Matrix residual, cka, cka_debiased;
  int64_t images = 0, held_out = 0;
};

/// All features are kept on the host, those of two models at a time on the device.
Models compare_all(const Arguments& a, Device device) {
  const std::vector<std::filesystem::path> files = embedding_files(a.all);
  std::vector<std::string> names;
  std::vector<FeatureSet> sets;
  for (const auto& file : files) {
    names.push_back(file.stem().string());
    check_same_images(files.front().string(), file.string());
    sets.push_back(read_features(file.string()));
  }
  Models models(std::move(names));
  for (size_t i = 0; i < sets.size(); ++i) {
    const FeatureSet from = sets[i].on(device);
    for (size_t j = i + 1; j < sets.size(); ++j) {
      log_info("transport: ", models.names[i], " and ", models.names[j]);
      const Comparison c = compare_features(from, sets[j].on(device), a.options);
      models.residual.at(i, j) = c.forward.residual;
      models.residual.at(j, i) = c.reverse.residual;
      models.cka.at(i, j) = models.cka.at(j, i) = c.cka.plain;
      models.cka_debiased.at(i, j) = models.cka_debiased.at(j, i) = c.cka.debiased;
      models.images = c.images;
      models.held_out = c.held_out;
    }
  }
  return models;
}

void print_table(const char* title, const std::vector<std::string>& names, const Matrix& matrix) {
  size_t width = 8;
  for (const std::string& name : names) width = std::max(width, name.size());
  std::string text = fmt::format("{}\n{:{}}", title, "", width);
  for (const std::string& name : names) text += fmt::format("  {:>{}}", name, width);
  for (size_t i = 0; i < matrix.size; ++i) {
    text += fmt::format("\n{:{}}", names[i], width);
    for (size_t j = 0; j < matrix.size; ++j) {
      const double value = matrix.at(i, j);
      text += std::isfinite(value) ? fmt::format("  {:>{}.4f}", value, width)
                                   : fmt::format("  {:>{}}", "-", width);
    }
  }
  std::printf("%s\n\n", text.c_str());
}

std::string heat_map(const Models& models) {
  return to_svg(HeatMap{.title = "Held-out transport residual",
                        .row_label = "from",
                        .column_label = "to",
                        .names = models.names,
                        .values = models.residual.values});
}

JsonValue to_json(const Models& models, const CompareOptions& options) {
  JsonValue::Array names(models.names.begin(), models.names.end());
  return JsonValue(JsonValue::Object{{"models", std::move(names)},
                                     {"images", models.images},
                                     {"held_out", models.held_out},
                                     {"holdout", options.holdout},
                                     {"ridge", options.ridge},
                                     {"transport_residual", models.residual.to_json()},
                                     {"cka", models.cka.to_json()},
                                     {"cka_debiased", models.cka_debiased.to_json()}});
}

void run_all(const Arguments& a, Device device) {
  const Models models = compare_all(a, device);
  print_table("transport residual, from the row to the column", models.names, models.residual);
  print_table("linear CKA, debiased", models.names, models.cka_debiased);
  print_and_write(to_json(models, a.options), a.out);
  if (!a.svg.empty()) write_file_atomic(a.svg, heat_map(models));
}

ExitCode run(int argc, const char* const* argv) {
  CommandLine app(
      "Fits linear maps between the features that models make of the same images, and measures "
      "them "
      "on held-out images. The last line on stdout is the result (JSON).",
      "transport");
  Arguments a;
  app.add_option("--from", a.from, "features of one model, as embed writes them");
  app.add_option("--to", a.to, "features of another model, of the same images");
  app.add_option("--all", a.all, "a folder of such files: every pair of them");
  app.add_option("--ridge", a.options.ridge, "weight of |W|^2 in the fit").show_default();
  app.add_option("--holdout", a.options.holdout, "share of the images that measure and do not fit")
      .show_default();
  app.add_option("--seed", a.options.seed, "which images those are").not_negative().show_default();
  a.device.describe(app);
  app.add_option("--out", a.out, "write the result there too (JSON)");
  app.add_option("--svg", a.svg, "with --all: draw the residuals there");
  if (!app.parse(argc, argv)) return ExitCode::kDone;
  check(a);
  const Device device = a.device.open();
  if (a.all.empty()) {
    print_and_write(compare_pair(a, device), a.out);
  } else {
    run_all(a, device);
  }
  return ExitCode::kDone;
}

}  // namespace

int transport_main(int argc, const char* const* argv) {
  return run_single_program("transport", [&] { return run(argc, argv); });
}

}  // namespace rela
