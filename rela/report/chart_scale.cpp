#include "rela/report/chart_scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rela/report/html.h"

namespace rela {

std::vector<double> linear_ticks(double low, double high, int wanted, double finest) {
  std::vector<double> ticks;
  if (!(low < high) || !std::isfinite(high - low)) return ticks;
  const double raw = (high - low) / std::max(wanted, 1);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double step = std::max(finest, power * (raw < 1.5 * power ? 1
                                                : raw < 3 * power ? 2
                                                : raw < 7 * power ? 5
                                                                  : 10));
  const double slack = step * 1e-9;  // rounding must not lose a tick at the very end
  for (double i = std::ceil((low - slack) / step); i * step <= high + slack; ++i) {
    ticks.push_back(i == 0 ? 0 : i * step);  // never -0
  }
  return ticks;
}

std::vector<double> log_ticks(double low, double high, int wanted) {
  std::vector<double> ticks;
  if (!(0 < low && low < high) || !std::isfinite(high)) return ticks;
  const int first = static_cast<int>(std::ceil(std::log10(low) - 1e-9));
  const int last = static_cast<int>(std::floor(std::log10(high) + 1e-9));
  if (last - first + 1 >= 3) {
    const int stride = std::max(1, (last - first + wanted) / std::max(wanted, 1));
    for (int e = first; e <= last; e += stride) ticks.push_back(std::pow(10.0, e));
    return ticks;
  }
  for (int e = first - 1; e <= last; ++e) {
    for (const double digit : {1, 2, 5}) {
      const double tick = digit * std::pow(10.0, e);
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string format_tick(double value, double step) {
  const double size = std::max(std::abs(value), step);
  if (value != 0 && (size < 1e-4 || size >= 1e7)) return fmt::format("{:.3g}", value);
  const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 9);
  return with_separators(fmt::format("{:.{}f}", value, decimals));
}

std::vector<size_t> decimate(const std::vector<double>& x, const std::vector<double>& y,
                             int columns) {
  std::vector<size_t> kept;
  const size_t n = std::min(x.size(), y.size());
  const auto per_column = [&](size_t i) {
    const double width = x[n - 1] - x[0];
    return width > 0 ? static_cast<int>((x[i] - x[0]) / width * (columns - 1)) : 0;
  };
  if (n <= static_cast<size_t>(columns) * 4) {
    for (size_t i = 0; i < n; ++i) kept.push_back(i);
    return kept;
  }
  for (size_t begin = 0; begin < n;) {
    size_t end = begin, lowest = begin, highest = begin;
    std::vector<size_t> column{begin};
    for (; end < n && per_column(end) == per_column(begin); ++end) {
      if (!std::isfinite(y[end])) {
        const bool first_of_gap = end == 0 || std::isfinite(y[end - 1]);
        if (first_of_gap) column.push_back(end);
        continue;
      }
      if (!std::isfinite(y[lowest]) || y[end] < y[lowest]) lowest = end;
      if (!std::isfinite(y[highest]) || y[end] > y[highest]) highest = end;
    }
    column.insert(column.end(), {lowest, highest, end - 1});
    std::sort(column.begin(), column.end());
    column.erase(std::unique(column.begin(), column.end()), column.end());
    kept.insert(kept.end(), column.begin(), column.end());
    begin = end;
  }
  return kept;
}

std::vector<double> smoothed(const std::vector<double>& y, double decay) {
  std::vector<double> out(y.size());
  double sum = 0, weight = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    out[i] = y[i];
    if (!std::isfinite(y[i])) continue;
    sum = decay * sum + (1 - decay) * y[i];
    weight = decay * weight + (1 - decay);
    out[i] = sum / weight;
  }
  return out;
}

void Extent::add(double value) {
  if (!std::isfinite(value)) return;
  low = any ? std::min(low, value) : value;
  high = any ? std::max(high, value) : value;
  any = true;
}

double Axis::at(double value) const {
  const double share =
      is_log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  return from + share * (to - from);
}

Axis fit_axis(const Extent& values, ChartScale scale, double highest) {
  constexpr double kPad = 0.05;  // of the span, on each side
  if (!values.any) return {};
  const auto [low, high, any] = values;
  const double ceiling = std::max(highest, high);  // a value above it is shown all the same
  const bool wants_log =
      scale == ChartScale::kLog || (scale == ChartScale::kAuto && high > 100 * low);
  if (wants_log && low > 0 && low < high) {
    const double factor = std::pow(high / low, kPad);
    return {.low = low / factor, .high = std::min(high * factor, ceiling), .is_log = true};
  }
  const double span = high - low;
  const double pad = span > 0 ? span * kPad : low != 0 ? std::abs(low) * 0.1 : 1;
  Axis axis{.low = low - pad, .high = std::min(high + pad, ceiling)};
  if (low >= 0 && axis.low < 0) axis.low = 0;  // what is never negative needs no negative axis
  return axis;
}

Axis fit_count_axis(const Extent& values) {
  if (!values.any) return {};
  const auto [low, high, any] = values;
  if (low < high) return {.low = low, .high = high};
  return {.low = low > 0 ? low - 1 : low, .high = high + 1};
}

}  // namespace rela
