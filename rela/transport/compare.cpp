#include "rela/transport/compare.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/gram/gram.h"
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

/// Calls visit(begin, rows) for some rows at a time, `begin` counted in `rows`. Gathering them all
/// would double the features in the device's memory. A piece is a multiple of the chunks in which
/// moments are summed, so the sums do not depend on it.
template <class Visit>
void in_pieces(std::span<const int64_t> rows, Visit&& visit) {
  constexpr size_t kRows = 65536;
  static_assert(kRows % kGramChunk == 0 && kRows % kGramCudaChunk == 0);
  for (size_t begin = 0; begin < rows.size(); begin += kRows) {
    visit(static_cast<int64_t>(begin), rows.subspan(begin, std::min(kRows, rows.size() - begin)));
  }
}

/// |y - mean y|^2 per row. y is on the host: there is no kernel for it.
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

/// What the comparison knows of one row: |W h + b - y|^2, 1 - cos(W h + b, y), |y - mean y|^2.
struct RowMeasures {
  explicit RowMeasures(int64_t rows)
      : residual(Tensor::empty({rows}, Dtype::kF32)), cosine(Tensor::empty({rows}, Dtype::kF32)) {}
  Tensor residual;  // [N] f32, on the host
  Tensor cosine;    // [N] f32, on the host
  std::vector<double> deviations;
};

RowMeasures measure_rows(const LinearMap& map, const FeatureSet& from, const FeatureSet& to,
                         std::span<const int64_t> rows) {
  const auto count = static_cast<int64_t>(rows.size());
  const Tensor weight = map.weight.to(from.device()), bias = map.bias.to(from.device());
  RowMeasures m(count);
  Tensor y = Tensor::empty({count, to.width()}, Dtype::kF32);
  in_pieces(rows, [&](int64_t begin, std::span<const int64_t> piece) {
    const int64_t end = begin + static_cast<int64_t>(piece.size());
    const Tensor targets = select_rows(to, piece).features;
    const TransportRows measured =
        transport_rows(select_rows(from, piece).features, weight, bias, targets);
    m.residual.slice(begin, end).copy_from(measured.residual);
    m.cosine.slice(begin, end).copy_from(measured.cosine);
    y.slice(begin, end).copy_from(targets);
  });
  m.deviations = squared_deviations(y);
  return m;
}

/// `rows`: those held out.
TransportMeasures measure(const LinearMap& map, const FeatureSet& from, const FeatureSet& to,
                          std::span<const int64_t> rows) {
  const RowMeasures measured = measure_rows(map, from, to, rows);
  struct Sums {
    int64_t images = 0;
    double residual = 0, deviation = 0;
  };
  Sums all;
  double cosine = 0;
  std::map<int64_t, Sums> classes;
  for (size_t i = 0; i < rows.size(); ++i) {
    cosine += measured.cosine.data<float>()[i];
    for (Sums* sums : {&all, &classes[from.labels.data<int64_t>()[rows[i]]]}) {
      ++sums->images;
      sums->residual += measured.residual.data<float>()[i];
      sums->deviation += measured.deviations[i];
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
  object.emplace_back("cosine_distance", number(m.cosine));
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
  MomentSums sums(from.width(), to.width(), from.device());
  const auto add = [&](int64_t, std::span<const int64_t> piece) {
    sums.add(select_rows(from, piece).features, select_rows(to, piece).features);
  };
  in_pieces(rows.kept, add);
  const CentredMoments fitting = sums.centred();
  in_pieces(rows.held_out, add);
  return {.images = from.size(),
          .held_out = std::ssize(rows.held_out),
          .from_width = from.width(),
          .to_width = to.width(),
          .cka = linear_cka(sums.centred()),
          .forward = measure(fit_linear_map(fitting, MapDirection::kXToY, options.ridge), from, to,
                             rows.held_out),
          .reverse = measure(fit_linear_map(fitting, MapDirection::kYToX, options.ridge), to, from,
                             rows.held_out)};
}

FeatureSet read_features(const std::string& path) {
  const SafetensorsReader file(path);
  const WeightsEntry* features = file.find("features");
  const WeightsEntry* labels = file.find("labels");
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

void check_same_images(const std::string& a, const std::string& b) {
  const SafetensorsReader first(a), second(b);
  for (const char* key : {"dataset", "split"}) {
    const auto x = first.metadata().find(key), y = second.metadata().find(key);
    if (x == first.metadata().end() || y == second.metadata().end()) continue;
    RELA_CHECK(x->second == y->second, DataError, a, " is of the ", key, " ", x->second, ", ", b,
               " of ", y->second,
               "; features are compared image by image: write both with embed, of the same data "
               "and split");
  }
}

}  // namespace rela
