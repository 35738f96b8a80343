#pragma once
// From values to positions: ranges, ticks, and which points of a long series to draw.

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace rela {

/// Positions of about `wanted` ticks in [low, high]: multiples of 1, 2 or 5 times a power of ten,
/// at least `finest` apart (1: integers). Empty unless low < high, both finite.
std::vector<double> linear_ticks(double low, double high, int wanted, double finest = 0);

/// Powers of ten in [low, high], both above 0; with 2 and 5 times them when there are fewer than
/// three. Of many, every second, third, ...: at most about `wanted`.
std::vector<double> log_ticks(double low, double high, int wanted);

/// The tick as text, with as many digits as tell it from its neighbour `step` away: "0.992",
/// "2e-05".
std::string format_tick(double value, double step);

/// Which points of (x, y) to draw in `columns` pixel columns: all when there are at most 4 for
/// each, else each column's first, lowest, highest and last, and the first of every gap (y not
/// finite), so that no spike and no gap is lost. x ascends.
std::vector<size_t> decimate(const std::vector<double>& x, const std::vector<double>& y,
                             int columns);

/// Exponential moving average of the finite points, unbiased at the start: weight of the newest is
/// 1 - decay. A gap stays a gap and is stepped over.
std::vector<double> smoothed(const std::vector<double>& y, double decay);

enum class ChartScale : unsigned char { kAuto, kLinear, kLog };

/// Maps [low, high] to [from, to], linearly or by logarithm.
struct Axis {
  double low = 0, high = 1;
  double from = 0, to = 1;  // positions
  bool is_log = false;

  double at(double value) const;
};

/// Lowest and highest finite value; `any` is false when there is none.
struct Extent {
  double low = 0, high = 0;
  bool any = false;

  void add(double value);
};

/// What an axis covers, given what its values cover: a little more on both sides, but nothing above
/// `highest`, the largest value that there can be; for a single value its surroundings; for none
/// [0, 1]. kAuto is log for positive values over more than two decades; kLog falls back to linear
/// when a value is not positive.
Axis fit_axis(const Extent& values, ChartScale scale,
              double highest = std::numeric_limits<double>::infinity());

/// The axis of a count: exactly what its values cover; for a single one its neighbours too.
Axis fit_count_axis(const Extent& values);

}  // namespace rela
