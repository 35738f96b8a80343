#include "rela/prior/model_input.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "runtime/error.h"
#include "runtime/io/file.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPreprocessorFile = "preprocessor_config.json";

/// A file beside the weights that says what images have to be like.
struct InputFile {
  std::string path;
  const JsonValue& json;  // the part of it that does
};

std::optional<double> as_number(const JsonValue& value) {
  if (const double* real = value.as<double>()) return *real;
  if (const int64_t* integer = value.as<int64_t>()) return static_cast<double>(*integer);
  return std::nullopt;
}

/// Three numbers; the fallback if there are none. Throws WeightsError for anything else.
std::array<float, 3> channels(const InputFile& file, const char* key,
                              const std::array<float, 3>& fallback, bool are_divisors) {
  const JsonValue* value = file.json.find(key);
  if (value == nullptr || value->is_null()) return fallback;
  const auto* items = value->as<JsonValue::Array>();
  std::array<float, 3> out{};
  bool is_right = items != nullptr && items->size() == out.size();
  for (size_t c = 0; is_right && c < out.size(); ++c) {
    const std::optional<double> number = as_number((*items)[c]);
    is_right = number && (!are_divisors || *number > 0);
    out[c] = static_cast<float>(number.value_or(0));
  }
  RELA_CHECK(is_right, WeightsError, file.path, ": ", key, " is ",
             to_json_text(*value, JsonLayout::kCompact), "; three ",
             are_divisors ? "numbers above 0 are" : "numbers are", " needed");
  return out;
}

Normalization normalization(const InputFile& file, const char* mean, const char* std,
                            const Normalization& usual) {
  return {channels(file, mean, usual.mean, /*are_divisors=*/false),
          channels(file, std, usual.std, /*are_divisors=*/true)};
}

constexpr int64_t kLargestSide = 4096;  // as in configs

/// timm's [3, S, S].
void take_input_size(const InputFile& file, ModelInput& input) {
  const JsonValue* size = file.json.find("input_size");
  if (size == nullptr || size->is_null()) return;
  const auto* items = size->as<JsonValue::Array>();
  const auto item = [&](size_t i) {
    const auto* number = (*items)[i].as<int64_t>();
    return number == nullptr ? 0 : *number;
  };
  const bool is_right = items != nullptr && items->size() == 3 && item(0) == 3 && item(1) >= 1 &&
                        item(1) <= kLargestSide && item(2) == item(1);
  RELA_CHECK(is_right, WeightsError, file.path, ": input_size is ",
             to_json_text(*size, JsonLayout::kCompact), "; [3, S, S] is needed, with S of 1 to ",
             kLargestSide);
  input.image_size = item(1);
  input.size_is_assumed = false;
}

/// timm's keys, as timm's files on the hub have them and our exports.
ModelInput from_timm(const InputFile& file, ModelInput input) {
  const JsonValue& trained = file.json;
  input.normalization = normalization(file, "mean", "std", input.normalization);
  take_input_size(file, input);
  const auto share = member_or<double>(trained, "crop_pct", 1 / input.photos.ratio);
  if (share > 0 && share <= 1) input.photos.ratio = 1 / share;
  if (member_or<std::string>(trained, "interpolation") == "bicubic")
    input.photos.filter = ResizeFilter::kBicubic;
  return input;
}

/// A side of {"shortest_edge": S}, {"height": S, "width": S}, or S.
std::optional<int64_t> side_of(const InputFile& file, const char* key_of_it) {
  const JsonValue* value = file.json.find(key_of_it);
  if (value == nullptr) return std::nullopt;
  const int64_t* side = value->as<int64_t>();
  for (const char* key : {"shortest_edge", "height"}) {
    if (const JsonValue* edge = value->find(key); side == nullptr && edge != nullptr)
      side = edge->as<int64_t>();
  }
  if (side == nullptr) return std::nullopt;
  RELA_CHECK(*side >= 1 && *side <= kLargestSide, WeightsError, file.path, ": ", key_of_it, " is ",
             to_json_text(*value, JsonLayout::kCompact), "; 1 to ", kLargestSide,
             " pixels are allowed");
  return *side;
}

/// Throws WeightsError unless bytes become numbers in [0, 1].
void check_rescale(const InputFile& file) {
  constexpr double kUsual = 1.0 / 255, kRounding = 1e-4;
  constexpr const char* kWhy = "; images are in [0, 1] here before they are normalised";
  RELA_CHECK(member_or<bool>(file.json, "do_rescale", true), WeightsError, file.path,
             ": do_rescale is false", kWhy);
  const JsonValue* factor = file.json.find("rescale_factor");
  if (factor == nullptr || factor->is_null()) return;
  const double by = as_number(*factor).value_or(0);
  RELA_CHECK(std::abs(by / kUsual - 1) < kRounding, WeightsError, file.path, ": rescale_factor is ",
             to_json_text(*factor, JsonLayout::kCompact), ", and only 1/255 is possible", kWhy);
}

/// Hugging Face's: resized to `size`, then `crop_size` is cut out of the middle.
ModelInput from_preprocessor(const InputFile& file, ModelInput input) {
  constexpr int64_t kPillowBicubic = 3;
  const JsonValue& json = file.json;
  input.normalization = normalization(file, "image_mean", "image_std", input.normalization);
  if (!member_or<bool>(json, "do_normalize", true)) input.normalization = {{0, 0, 0}, {1, 1, 1}};
  check_rescale(file);
  const std::optional<int64_t> resized = side_of(file, "size");
  const std::optional<int64_t> cropped = side_of(file, "crop_size");
  if (cropped || resized) {
    input.image_size = cropped ? *cropped : *resized;
    input.size_is_assumed = false;
  }
  if (resized && *resized >= input.image_size)
    input.photos.ratio = static_cast<double>(*resized) / static_cast<double>(input.image_size);
  if (member_or<int64_t>(json, "resample") == kPillowBicubic)
    input.photos.filter = ResizeFilter::kBicubic;
  return input;
}

}  // namespace

ModelInput usual_input(const BackboneSpec& spec) {
  return std::visit(
      [](const auto& model) {
        const bool is_bicubic = model.usual_filter() == ResizeFilter::kBicubic;
        return ModelInput{
            .image_size = model.usual_image_size(),
            .normalization = model.usual_normalization(),
            .photos = is_bicubic ? PhotoResize{1, ResizeFilter::kBicubic} : PhotoResize{},
            .size_is_assumed = true};
      },
      spec);
}

ModelInput described_input(const fs::path& folder, const JsonValue& config,
                           const ModelInput& usual) {
  if (const JsonValue* trained = config.find("pretrained_cfg"))
    return from_timm({(folder / kConfigFile).string(), *trained}, usual);
  const fs::path preprocessor = folder / kPreprocessorFile;
  if (!fs::exists(preprocessor)) return usual;
  const JsonValue json = read_config_file(preprocessor.string());
  return from_preprocessor({preprocessor.string(), json}, usual);
}

std::vector<fs::path> described_by(const fs::path& weights_file) {
  std::vector<fs::path> files;
  for (const char* name : {kConfigFile, kPreprocessorFile}) {
    if (const fs::path file = weights_file.parent_path() / name; fs::exists(file))
      files.push_back(file);
  }
  return files;
}

JsonValue read_config_file(const std::string& file) {
  try {
    return parse_json(read_text_file(file));
  } catch (const JsonError& e) {
    throw WeightsError(cat(file, ": not JSON: ", e.what()));
  }
}

}  // namespace rela
