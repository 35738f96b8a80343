#include "rela/weights/timm_input.h"

#include <algorithm>

#include "rela/config/normalize_field.h"

namespace rela {

JsonValue::Object timm_input(const ModelInput& input) {
  return {{"input_size", JsonValue::Array{int64_t{3}, input.image_size, input.image_size}},
          {"mean", channels_to_json(input.normalization.mean)},
          {"std", channels_to_json(input.normalization.std)}};
}

JsonValue::Object timm_input_and_resize(const ModelInput& input) {
  JsonValue::Object json = timm_input(input);
  json.emplace_back("interpolation",
                    input.photos.filter == ResizeFilter::kBicubic ? "bicubic" : "bilinear");
  json.emplace_back("crop_pct", 1 / input.photos.ratio);
  return json;
}

int64_t class_count(const std::vector<StateTensor>& state) {
  const auto head = std::ranges::find(state, "head.weight", &StateTensor::name);
  return head == state.end() ? 0 : head->value.shape()[0];
}

}  // namespace rela
