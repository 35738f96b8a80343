#include "nn/position_grid.h"

#include <cmath>

#include "kernels/augment/resize_weights.h"

namespace rela {
namespace {

/// The weights of one axis: pixel o of the result is the sum over t of weight(o, t) times pixel
/// first[o] + t of the source.
struct AxisWeights {
  AxisWeights(int64_t side, int64_t new_side)
      : axis{.size = static_cast<double>(side), .full_size = new_side, .out_size = new_side},
        taps(taps_of(axis, ResizeFilter::kBicubic)),
        first(static_cast<size_t>(new_side)),
        weight(static_cast<size_t>(taps * new_side)) {
    fill_weights(axis, {ResizeFilter::kBicubic, 1.0f, Mirror::kNo},
                 {taps, first.data(), weight.data(), 1, taps});
  }
  float at(int64_t out, int64_t tap) const { return weight[static_cast<size_t>(out * taps + tap)]; }
  int64_t source(int64_t out, int64_t tap) const { return first[static_cast<size_t>(out)] + tap; }

  ResizeAxis axis;
  int64_t taps;
  std::vector<int32_t> first;
  std::vector<float> weight;
};

/// [outer, side, inner] -> [outer, new_side, inner]
std::vector<float> resample_axis(const std::vector<float>& from, const AxisWeights& w,
                                 int64_t outer) {
  const auto side = static_cast<int64_t>(w.axis.size);
  const int64_t inner = static_cast<int64_t>(from.size()) / (outer * side);
  std::vector<float> to(static_cast<size_t>(outer * w.axis.out_size * inner));
  for (int64_t i = 0; i < outer; ++i)
    for (int64_t o = 0; o < w.axis.out_size; ++o)
      for (int64_t t = 0; t < w.taps; ++t) {
        const float* row = from.data() + (i * side + w.source(o, t)) * inner;
        float* sum = to.data() + (i * w.axis.out_size + o) * inner;
        for (int64_t c = 0; c < inner; ++c) sum[c] += w.at(o, t) * row[c];
      }
  return to;
}

}  // namespace

std::optional<PositionGrid> position_grid(int64_t rows) {
  for (const int64_t class_rows : {1, 0}) {
    const int64_t patches = rows - class_rows;
    const int64_t side = std::llround(std::sqrt(static_cast<double>(patches)));
    if (patches >= 1 && side * side == patches) return PositionGrid{class_rows, side};
  }
  return std::nullopt;
}

std::vector<float> sin_cos_positions(const Shape& shape, double temperature) {
  const int64_t width = shape.back(), quarter = width / 4;
  const PositionGrid grid = *position_grid(shape.numel() / width);
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (int64_t patch = 0; patch < grid.side * grid.side; ++patch) {
    float* const to = values.data() + (grid.class_rows + patch) * width;
    for (int64_t i = 0; i < quarter; ++i) {
      const double omega =
          std::pow(temperature, -static_cast<double>(i) / static_cast<double>(quarter));
      const int64_t row = patch / grid.side;
      const double down = static_cast<double>(row) * omega;
      const double across = static_cast<double>(patch % grid.side) * omega;
      to[i] = static_cast<float>(std::sin(down));
      to[quarter + i] = static_cast<float>(std::cos(down));
      to[2 * quarter + i] = static_cast<float>(std::sin(across));
      to[3 * quarter + i] = static_cast<float>(std::cos(across));
    }
  }
  return values;
}

std::vector<float> resample_grid(const std::vector<float>& from, int64_t side, int64_t new_side) {
  if (side == new_side) return from;
  const AxisWeights weights(side, new_side);
  return resample_axis(resample_axis(from, weights, side), weights, 1);
}

std::vector<float> fit_positions(const std::vector<float>& values, const PositionGrid& from,
                                 const PositionGrid& to) {
  const auto width = static_cast<int64_t>(values.size()) / from.rows();
  const auto class_end = values.begin() + from.class_rows * width;
  std::vector<float> fitted(values.begin(), values.begin() + to.class_rows * width);
  const std::vector<float> grid =
      resample_grid(std::vector<float>(class_end, values.end()), from.side, to.side);
  fitted.insert(fitted.end(), grid.begin(), grid.end());
  return fitted;
}

}  // namespace rela
