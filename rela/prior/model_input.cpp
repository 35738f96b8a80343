#include "rela/prior/model_input.h"

#include <algorithm>
#include <array>
#include <optional>

#include "runtime/error.h"
#include "runtime/io/file.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPreprocessorFile = "preprocessor_config.json";

/// Three numbers; the fallback if they are missing.
std::array<float, 3> channels(const JsonValue* value, const std::array<float, 3>& fallback) {
  const auto* items = value == nullptr ? nullptr : value->as<JsonValue::Array>();
  if (items == nullptr || items->size() != 3) return fallback;
  std::array<float, 3> out{};
  for (size_t c = 0; c < 3; ++c) {
    const auto* number = (*items)[c].as<double>();
    if (number == nullptr) return fallback;
    out[c] = static_cast<float>(*number);
  }
  return out;
}

/// timm's keys, as timm's files on the hub have them and our exports.
ModelInput from_timm(const JsonValue& trained, ModelInput input) {
  const Normalization usual = input.normalization;
  input.normalization = {channels(trained.find("mean"), usual.mean),
                         channels(trained.find("std"), usual.std)};
  const JsonValue* size = trained.find("input_size");  // [3, S, S]
  const auto* sides = size == nullptr ? nullptr : size->as<JsonValue::Array>();
  const auto* side = sides == nullptr || sides->empty() ? nullptr : sides->back().as<int64_t>();
  if (side != nullptr && *side >= 1) input.image_size = *side;
  const auto share = member_or<double>(trained, "crop_pct", 1 / input.photos.ratio);
  if (share > 0 && share <= 1) input.photos.ratio = 1 / share;
  if (member_or<std::string>(trained, "interpolation") == "bicubic")
    input.photos.filter = ResizeFilter::kBicubic;
  return input;
}

/// A side of {"shortest_edge": S}, {"height": S, "width": S}, or S.
std::optional<int64_t> side_of(const JsonValue* value) {
  if (value == nullptr) return std::nullopt;
  const int64_t* side = value->as<int64_t>();
  for (const char* key : {"shortest_edge", "height"}) {
    if (const JsonValue* edge = value->find(key); side == nullptr && edge != nullptr)
      side = edge->as<int64_t>();
  }
  return side != nullptr && *side >= 1 ? std::optional(*side) : std::nullopt;
}

/// Hugging Face's: resized to `size`, then `crop_size` is cut out of the middle.
ModelInput from_preprocessor(const JsonValue& json, ModelInput input) {
  constexpr int64_t kPillowBicubic = 3;
  const Normalization usual = input.normalization;
  input.normalization = {channels(json.find("image_mean"), usual.mean),
                         channels(json.find("image_std"), usual.std)};
  const std::optional<int64_t> resized = side_of(json.find("size"));
  const std::optional<int64_t> cropped = side_of(json.find("crop_size"));
  if (cropped || resized) input.image_size = cropped ? *cropped : *resized;
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
        ModelInput input{model.usual_image_size(), model.usual_normalization()};
        if (model.usual_filter() == ResizeFilter::kBicubic)
          input.photos = {1, ResizeFilter::kBicubic};
        return input;
      },
      spec);
}

ModelInput described_input(const fs::path& folder, const JsonValue& config,
                           const ModelInput& usual) {
  if (const JsonValue* trained = config.find("pretrained_cfg")) return from_timm(*trained, usual);
  const fs::path preprocessor = folder / kPreprocessorFile;
  if (!fs::exists(preprocessor)) return usual;
  return from_preprocessor(read_config_file(preprocessor.string()), usual);
}

JsonValue read_config_file(const std::string& file) {
  try {
    return parse_json(read_text_file(file));
  } catch (const JsonError& e) {
    throw WeightsError(cat(file, ": not JSON: ", e.what()));
  }
}

}  // namespace rela
