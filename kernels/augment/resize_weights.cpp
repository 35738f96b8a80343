#include "kernels/augment/resize_weights.h"

#include <algorithm>
#include <cmath>

namespace rela {
namespace {

double scale_of(const ResizeAxis& axis) { return axis.size / static_cast<double>(axis.full_size); }

/// Half the filter's width, in source pixels.
double support_of(double widening, ResizeFilter filter) {
  return filter == ResizeFilter::kBicubic ? 2 * widening : widening;
}

double filter_value(ResizeFilter filter, double t) {
  if (filter == ResizeFilter::kBilinear) return std::max(0.0, 1.0 - t);
  constexpr double kA = -0.5;
  if (t < 1) return ((kA + 2) * t - (kA + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * kA : 0;
}

}  // namespace

PixelRange source_range(const ResizeAxis& axis) {
  const auto begin = static_cast<int64_t>(std::floor(axis.begin));
  const auto end = static_cast<int64_t>(std::ceil(axis.begin + axis.size));
  return {begin, end - begin};
}

int64_t taps_of(const ResizeAxis& axis, ResizeFilter filter) {
  const double support = support_of(std::max(scale_of(axis), 1.0), filter);
  return std::min<int64_t>(static_cast<int64_t>(std::ceil(2 * support)), source_range(axis).size);
}

void fill_weights(const ResizeAxis& axis, const WeightSpec& spec, const WeightTable& table) {
  const PixelRange range = source_range(axis);
  const double offset = axis.begin - static_cast<double>(range.begin);
  const double scale = scale_of(axis);
  const double widening = std::max(scale, 1.0);
  const double support = support_of(widening, spec.filter);
  for (int64_t o = 0; o < axis.out_size; ++o) {
    const double center = offset + scale * (static_cast<double>(axis.out_begin + o) + 0.5);
    const auto lowest = static_cast<int64_t>(std::max(center - support + 0.5, 0.0));
    const int64_t first = std::min(lowest, range.size - table.taps);
    const int64_t column = spec.mirror == Mirror::kNo ? o : axis.out_size - 1 - o;
    float* weight = table.weight + column * table.pixel_stride;
    double sum = 0;
    for (int64_t t = 0; t < table.taps; ++t) {
      const double distance = std::abs(static_cast<double>(first + t) + 0.5 - center);
      const double w = filter_value(spec.filter, distance / widening);
      weight[t * table.tap_stride] = static_cast<float>(w);
      sum += w;
    }
    const auto normalise = static_cast<float>(spec.total / sum);
    for (int64_t t = 0; t < table.taps; ++t) weight[t * table.tap_stride] *= normalise;
    table.first[column] = static_cast<int32_t>(first);
  }
}

}  // namespace rela
