#include "rela/transport/compare.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "rela/eval/holdout.h"
#include "runtime/error.h"
#include "runtime/io/safetensors.h"
#include "runtime/ops/transport.h"

namespace rela {
namespace {

void check_options(const CompareOptions& o) {
  RELA_CHECK(o.ridge >= 0 && std::isfinite(o.ridge), ConfigError, "transport ridge: ", o.ridge,
             "; a finite number >= 0 is allowed");
  RELA_CHECK(o.holdout > 0 && o.holdout < 1, ConfigError, "transport holdout: ", o.holdout,
             "; between 0 and 1 is allowed");
}

void check_same_images(const FeatureSet& from, const FeatureSet& to) {
  RELA_CHECK(from.size() == to.size(), DataError, "transport: ", from.size(),
             " images on one side, ", to.size(),
             " on the other; the same images are needed; embed the same split");
  const std::span<const int64_t> a = from.labels.span<int64_t>(), b = to.labels.span<int64_t>();
  const auto differ = std::ranges::mismatch(a, b);
  RELA_CHECK(differ.in1 == a.end(), DataError, "transport: image ", differ.in1 - a.begin(),
             " has label ", *differ.in1, " on one side and ", *differ.in2,
             " on the other; the same images in the same order are needed; embed the same split");
}

/// |y - mean y|^2 per row.
std::vector<double> squared_deviations(const Tensor& y) {
  const int64_t n = y.shape()[0], width = y.shape()[1];
  const float* data = y.data<float>();
  std::vector<double> mean(width), deviations(n);
  for (int64_t i = 0; i < n * width; ++i) mean[i % width] += data[i];
  for (double& m : mean) m /= static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < width; ++c) {
      const double d = data[i * width + c] - mean[c];
      deviations[i] += d * d;
    }
  }
  return deviations;
}

TransportMeasures measure(const LinearMap& map, const FeatureSet& from, const FeatureSet& to) {
  const TransportRows rows = transport_rows(from.features, map.weight, map.bias, to.features);
  const std::vector<double> deviations = squared_deviations(to.features);
  struct Sums {
    int64_t images = 0;
    double residual = 0, deviation = 0;
  };
  Sums all;
  double cosine = 0;
  std::map<int64_t, Sums> classes;
  for (int64_t i = 0; i < from.size(); ++i) {
    cosine += rows.cosine.data<float>()[i];
    for (Sums* sums : {&all, &classes[from.labels.data<int64_t>()[i]]}) {
      ++sums->images;
      sums->residual += rows.residual.data<float>()[i];
      sums->deviation += deviations[static_cast<size_t>(i)];
    }
  }
  RELA_CHECK(all.deviation > 0, DataError, "transport: the features of the ", all.images,
             " held-out images are all equal; features that vary are needed; check the weights");
  TransportMeasures m{.residual = all.residual / all.deviation,
                      .cosine = cosine / static_cast<double>(all.images),
                      .per_class = {}};
  for (const auto& [label, sums] : classes) {
    m.per_class.push_back({label, sums.images, sums.residual / sums.deviation});
  }
  return m;
}

JsonValue number(double x) { return std::isfinite(x) ? JsonValue(x) : JsonValue(nullptr); }

void add_measures(JsonValue::Object& object, const TransportMeasures& m, const LinearCka& cka) {
  object.emplace_back("transport_residual", number(m.residual));
  object.emplace_back("r2", number(m.r2()));
  object.emplace_back("cosine", number(m.cosine));
  object.emplace_back("cka", number(cka.plain));
  object.emplace_back("cka_debiased", number(cka.debiased));
  JsonValue::Array classes;
  for (const ClassResidual& c : m.per_class) {
    classes.emplace_back(JsonValue::Object{
        {"label", c.label}, {"images", c.images}, {"transport_residual", number(c.residual)}});
  }
  object.emplace_back("per_class", std::move(classes));
}

}  // namespace

Comparison compare_features(const FeatureSet& from, const FeatureSet& to,
                            const CompareOptions& options) {
  check_options(options);
  check_features(from, "from");
  check_features(to, "to");
  check_same_images(from, to);
  const Holdout rows = hold_out_rows(from.size(), options.holdout, options.seed);
  RELA_CHECK(rows.kept.size() >= 2 && rows.held_out.size() >= 2, DataError,
             "transport: ", from.size(), " images with holdout ", options.holdout, " leave ",
             rows.kept.size(), " to fit and ", rows.held_out.size(),
             " to measure; two of each are needed");
  MomentSums sums(from.width(), to.width());
  sums.add(select_rows(from, rows.kept).features, select_rows(to, rows.kept).features);
  const CentredMoments fitting = sums.centred();
  const FeatureSet from_rest = select_rows(from, rows.held_out);
  const FeatureSet to_rest = select_rows(to, rows.held_out);
  sums.add(from_rest.features, to_rest.features);
  return {.images = from.size(),
          .held_out = from_rest.size(),
          .from_width = from.width(),
          .to_width = to.width(),
          .cka = linear_cka(sums.centred()),
          .forward = measure(fit_linear_map(fitting, MapDirection::kXToY, options.ridge), from_rest,
                             to_rest),
          .reverse = measure(fit_linear_map(fitting, MapDirection::kYToX, options.ridge), to_rest,
                             from_rest)};
}

FeatureSet read_features(const std::string& path) {
  const SafetensorsReader file(path);
  const SafetensorsEntry* features = file.find("features");
  const SafetensorsEntry* labels = file.find("labels");
  RELA_CHECK(features != nullptr && labels != nullptr, DataError, path, ": no tensor \"",
             features == nullptr ? "features" : "labels",
             "\"; \"features\" [N, D] and \"labels\" [N] are needed; write the file with embed");
  RELA_CHECK(features->shape.rank() == 2 && features->shape[1] > 0, DataError, path, ": features ",
             features->shape, "; [N, D] is allowed");
  const int64_t n = features->shape[0];
  RELA_CHECK(labels->dtype == WireDtype::kI64 && labels->shape == Shape{n}, DataError, path,
             ": labels ", wire_dtype_name(labels->dtype), " ", labels->shape, " for features ",
             features->shape, "; I64 [", n, "] is needed");
  FeatureSet set{Tensor::empty(features->shape, Dtype::kF32), Tensor::empty({n}, Dtype::kI64), 0};
  file.read_as_f32("features", set.features.data<float>(), set.features.numel());
  file.read_into("labels", set.labels.raw(), labels->bytes);
  for (const int64_t label : set.labels.span<int64_t>()) {
    set.num_classes = std::max(set.num_classes, label + 1);
  }
  check_features(set, path.c_str());
  return set;
}

JsonValue to_json(const Comparison& c, const CompareOptions& options) {
  JsonValue::Object object{{"images", c.images},         {"held_out", c.held_out},
                           {"from_width", c.from_width}, {"to_width", c.to_width},
                           {"holdout", options.holdout}, {"ridge", options.ridge}};
  add_measures(object, c.forward, c.cka);
  JsonValue::Object reverse;
  add_measures(reverse, c.reverse, c.cka);
  object.emplace_back("reverse", std::move(reverse));
  return JsonValue(std::move(object));
}

}  // namespace rela
