#include "rela/config/normalize_field.h"

#include <charconv>
#include <cmath>

#include "runtime/io/nearest.h"

namespace rela {
namespace {

struct Named {
  const char* name;
  Normalization normalization;
};
constexpr Named kNamed[] = {{"imagenet", imagenet_normalization()},
                            {"clip", clip_normalization()},
                            {"cifar10", cifar10_normalization()},
                            {"half", half_normalization()},
                            {"none", Normalization{}}};

/// The double with the shortest text that reads back to this float: 0.1, not 0.10000000149.
double as_written(float x) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, x).ptr;
  double y = 0;
  std::from_chars(text, end, y);
  return y;
}

std::optional<double> number_of(const JsonValue& value) {
  if (const auto* real = value.as<double>()) return *real;
  if (const auto* integer = value.as<int64_t>()) return static_cast<double>(*integer);
  return std::nullopt;
}

/// Three finite numbers above `min`.
std::optional<std::array<float, 3>> triple_of(const JsonValue* value, double min) {
  const auto* items = value == nullptr ? nullptr : value->as<JsonValue::Array>();
  if (items == nullptr || items->size() != 3) return std::nullopt;
  std::array<float, 3> out{};
  for (size_t c = 0; c < 3; ++c) {
    const std::optional<double> x = number_of((*items)[c]);
    if (!x || !std::isfinite(*x) || *x <= min) return std::nullopt;
    out[c] = static_cast<float>(*x);
  }
  return out;
}

class NormalizeField : public ConfigField {
 public:
  explicit NormalizeField(std::optional<Normalization>& value) : value_(value) {}

  ConfigComplaint read(const JsonValue& value, const std::string&) override {
    if (value.is_null()) {
      value_.reset();
      return {};
    }
    if (const auto* name = value.as<std::string>()) {
      const std::optional<Normalization> known = normalization_of(*name);
      if (!known) return {"must be " + allowed(), nearest_word(*name, normalization_names())};
      value_ = known;
      return {};
    }
    const auto* object = value.as<JsonValue::Object>();
    const auto mean = triple_of(value.find("mean"), -HUGE_VAL);
    const auto std = triple_of(value.find("std"), 0.0);
    if (object == nullptr || object->size() != 2 || !mean || !std) return {"must be " + allowed()};
    value_ = Normalization{*mean, *std};
    return {};
  }

  JsonValue write() const override { return value_ ? to_json(*value_) : JsonValue(); }

  std::string allowed() const override {
    std::string text = "one of ";
    for (const Named& known : kNamed) text += cat('"', known.name, "\", ");
    return text + "{\"mean\": [r, g, b], \"std\": [r, g, b]} with std > 0, or null";
  }

  JsonValue::Object schema() const override {
    JsonValue::Array names;
    for (const Named& known : kNamed) names.emplace_back(known.name);
    JsonValue::Object properties{
        {"mean", triple_schema({{"type", "number"}})},
        {"std", triple_schema({{"type", "number"}, {"exclusiveMinimum", int64_t{0}}})}};
    JsonValue::Object given{{"type", "object"},
                            {"additionalProperties", false},
                            {"properties", std::move(properties)},
                            {"required", JsonValue::Array{"mean", "std"}}};
    return {{"anyOf", JsonValue::Array{JsonValue::Object{{"enum", std::move(names)}},
                                       std::move(given), JsonValue::Object{{"type", "null"}}}}};
  }

 private:
  static JsonValue triple_schema(JsonValue::Object item) {
    return JsonValue::Object{{"type", "array"},
                             {"items", std::move(item)},
                             {"minItems", int64_t{3}},
                             {"maxItems", int64_t{3}}};
  }

  std::optional<Normalization>& value_;
};

}  // namespace

std::vector<std::string> normalization_names() {
  std::vector<std::string> names;
  for (const Named& known : kNamed) names.emplace_back(known.name);
  return names;
}

std::optional<Normalization> normalization_of(const std::string& name) {
  for (const Named& known : kNamed) {
    if (name == known.name) return known.normalization;
  }
  return std::nullopt;
}

JsonValue channels_to_json(const std::array<float, 3>& values) {
  JsonValue::Array array;
  for (const float x : values) array.emplace_back(as_written(x));
  return JsonValue(std::move(array));
}

JsonValue to_json(const Normalization& normalization) {
  for (const Named& known : kNamed) {
    if (normalization == known.normalization) return JsonValue(known.name);
  }
  return JsonValue::Object{{"mean", channels_to_json(normalization.mean)},
                           {"std", channels_to_json(normalization.std)}};
}

std::unique_ptr<ConfigField> make_normalize_field(std::optional<Normalization>& value) {
  return std::make_unique<NormalizeField>(value);
}

}  // namespace rela
