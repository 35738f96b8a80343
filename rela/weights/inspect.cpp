#include "rela/weights/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "rela/prior/model_source.h"
#include "rela/weights/timm_input.h"
#include "runtime/io/open_weights.h"
#include "runtime/io/quoted.h"

namespace rela {
namespace {

/// sqrt of the sum of squares, in double.
JsonValue norm_of(const WeightsFile& file, const WeightsEntry& entry) {
  if (!is_float(entry.dtype)) return nullptr;
  std::vector<float> values(static_cast<size_t>(entry.shape.numel()));
  file.read_as_f32(entry.name, values.data(), entry.shape.numel());
  double sum = 0;
  for (const float x : values) sum += static_cast<double>(x) * x;
  const double norm = std::sqrt(sum);
  if (std::isfinite(norm)) return norm;
  return std::isnan(norm) ? "nan" : "inf";
}

JsonValue::Array dims_of(const Shape& shape) {
  JsonValue::Array dims;
  for (const int64_t size : shape.dims()) dims.emplace_back(size);
  return dims;
}

JsonValue::Array tensors_of(const WeightsFile& file) {
  JsonValue::Array tensors;
  for (const WeightsEntry& entry : file.entries()) {
    tensors.emplace_back(JsonValue::Object{{"name", entry.name},
                                           {"dtype", wire_dtype_name(entry.dtype)},
                                           {"shape", dims_of(entry.shape)},
                                           {"norm", norm_of(file, entry)}});
  }
  return tensors;
}

/// Adds which model the tensors are of, or why that is not known.
void add_model(const std::string& path, const std::optional<std::string>& prefix,
               JsonValue::Object& json) {
  try {
    const auto weights = open_backbone_weights(path, prefix);
    json.emplace_back("layout", weights->layout());
    json.emplace_back("outside_backbone", static_cast<int64_t>(weights->left_out()));
    const auto [source, fit] = recognise_model(*weights);
    json.emplace_back("model", name_of(source.spec));
    json.emplace_back("description", describe(source.spec));
    json.emplace_back("loaded", fit.loaded);
    json.emplace_back("missing", fit.missing);
    json.emplace_back("unexpected", fit.unexpected);
    json.emplace_back("mismatched", fit.mismatched);
    json.emplace_back("mistakes", fit.mistakes);
    json.emplace_back("input", timm_input_and_resize(source.input));
    json.emplace_back("input_size_is_assumed", source.input.size_is_assumed);
  } catch (const WeightsError& error) {
    json.emplace_back("model", nullptr);
    json.emplace_back("problem", error.what());
  }
}

std::string text_of(const JsonValue& json, const char* key) {
  return member_or<std::string>(json, key);
}

std::string compact(const JsonValue* value) {
  return value == nullptr ? "" : to_json_text(*value, JsonLayout::kCompact);
}

std::string model_text(const JsonValue& json) {
  if (json.find("problem") != nullptr)
    return cat("no model recognised: ", text_of(json, "problem"));
  const auto count = [&](const char* key) { return member_or<int64_t>(json, key); };
  const JsonValue& input = *json.find("input");
  return fmt::format(
      "{}: {} tensors of it here, {} missing, {} unexpected, {} of wrong shape or type{}\n"
      "images: input_size {}{}, mean {}, std {}, {}, crop_pct {:.3f}",
      text_of(json, "description"), count("loaded"), count("missing"), count("unexpected"),
      count("mismatched"), text_of(json, "mistakes"), compact(input.find("input_size")),
      member_or<bool>(json, "input_size_is_assumed") ? " (assumed: no file beside them says it)"
                                                     : "",
      compact(input.find("mean")), compact(input.find("std")), text_of(input, "interpolation"),
      member_or<double>(input, "crop_pct"));
}

std::string norm_text(const JsonValue& norm) {
  if (const auto* number = norm.as<double>()) return fmt::format("{:.6g}", *number);
  const auto* text = norm.as<std::string>();
  return text == nullptr ? "-" : *text;
}

/// A name as it is, unless it could harm a terminal.
std::string shown(const std::string& name) {
  const std::string text = quoted(name);
  const bool is_plain = text.size() == name.size() + 2 && !name.empty();
  return is_plain ? name : text;
}

}  // namespace

JsonValue inspect_weights(const std::string& path, const std::optional<std::string>& prefix) {
  const auto file = open_weights(path);
  int64_t parameters = 0;
  for (const WeightsEntry& entry : file->entries())
    parameters += is_float(entry.dtype) ? entry.shape.numel() : 0;
  JsonValue::Object json{{"path", file->path()},
                         {"format", file->format()},
                         {"tensors", tensors_of(*file)},
                         {"parameters", parameters}};
  add_model(path, prefix, json);
  return json;
}

std::string inspection_text(const JsonValue& inspection) {
  const auto& tensors = *inspection.find("tensors")->as<JsonValue::Array>();
  size_t width = 4;
  for (const JsonValue& tensor : tensors)
    width = std::max(width, shown(text_of(tensor, "name")).size());
  std::string text =
      fmt::format("{:<{}}  {:<5} {:<18} {}\n", "name", width, "dtype", "shape", "L2 norm");
  for (const JsonValue& tensor : tensors) {
    text += fmt::format("{:<{}}  {:<5} {:<18} {}\n", shown(text_of(tensor, "name")), width,
                        text_of(tensor, "dtype"), compact(tensor.find("shape")),
                        norm_text(*tensor.find("norm")));
  }
  const std::string layout = text_of(inspection, "layout");
  text +=
      fmt::format("\n{}: {} tensors, {} numbers in floating point\n", text_of(inspection, "path"),
                  tensors.size(), member_or<int64_t>(inspection, "parameters"));
  if (!layout.empty()) {
    text += fmt::format("{}; {} tensors outside the backbone\n", layout,
                        member_or<int64_t>(inspection, "outside_backbone"));
  }
  return text + model_text(inspection) + "\n";
}

}  // namespace rela
