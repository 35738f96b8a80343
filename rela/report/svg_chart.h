#pragma once
// Line charts as SVG text, styled by the classes of the page they stand in.

#include <cstdint>
#include <string>
#include <vector>

namespace rela {

/// One line. x ascends; a y that is not finite is a gap.
struct ChartSeries {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
  bool dots = false;  // mark each point: for few, far between
};

/// A horizontal line to compare with.
struct ChartReference {
  std::string name;
  double y = 0;
};

/// A vertical line where something happened.
struct ChartMarker {
  std::string name;
  double x = 0;
};

/// How y is laid out. kAuto is log when all is positive and spans more than two decades.
enum class ChartScale : uint8_t { kAuto, kLinear, kLog };

struct Chart {
  std::string title;
  std::string x_label;
  std::string unit;  // of y: appended to its values in tooltips and ticks, e.g. "%"
  ChartScale scale = ChartScale::kAuto;
  bool from_zero = false;  // the linear axis begins at 0
  std::vector<ChartSeries> series;
  std::vector<ChartReference> references;
  std::vector<ChartMarker> markers;
};

/// A <svg> element; with no finite point it says "no data yet". At most a few thousand points are
/// drawn per series: of more, each pixel column keeps its first, lowest, highest and last.
std::string to_svg(const Chart& chart);

/// Positions of about `wanted` ticks in [low, high]: multiples of 1, 2 or 5 times a power of ten.
std::vector<double> linear_ticks(double low, double high, int wanted);

/// Powers of ten in [low, high], both above 0; with 2 and 5 times them when those are few.
std::vector<double> log_ticks(double low, double high);

/// A short number: "0.001", "1.2e-7", "12,500".
std::string format_number(double value);

/// Indices to keep of a series: all when few, else per column of width / columns the first, lowest,
/// highest and last point and every edge of a gap.
std::vector<size_t> decimate(const ChartSeries& series, int columns);

/// Text made safe inside HTML and attributes.
std::string escape_html(const std::string& text);

}  // namespace rela
