#pragma once
// Line charts as SVG. Colours, fonts and line widths come from a style sheet (page_style.h):
// classes chart, grid, tick, line, s0 ... s5, d0 ... d3, faint, dots, reference, marker.

#include <string>
#include <vector>

#include "rela/report/chart_scale.h"

namespace rela {

enum class LineStyle : unsigned char {
  kLine,
  kFaint,  // the raw values behind a smoothed line: no legend, no tooltip
  kDots,   // each point marked, for few and far between
};

inline constexpr int kChartColors = 6;
inline constexpr int kChartDashes = 4;

/// One line. x ascends; a y that is not finite is a gap.
struct ChartSeries {
  std::string name{};
  std::vector<double> x{};
  std::vector<double> y{};
  LineStyle style = LineStyle::kLine;
  int color = 0;  // class s<color>
  int dash = 0;   // class d<dash>; 0: a solid line
};

/// A horizontal line to compare with.
struct ChartReference {
  std::string name{};
  double y = 0;
};

/// A vertical line where something happened.
struct ChartMarker {
  std::string name{};
  double x = 0;
};

/// Where a linear y axis begins: near the lowest value, or at zero.
enum class AxisStart : unsigned char { kData, kZero };

struct Chart {
  std::string title{};
  std::string x_label{};
  std::string note{};  // small print below
  std::string unit{};  // after the values of y, e.g. "%"
  ChartScale scale = ChartScale::kAuto;
  AxisStart start = AxisStart::kData;
  std::vector<ChartSeries> series{};
  std::vector<ChartReference> references{};
  std::vector<ChartMarker> markers{};
  double height = 252;  // of the view box, which is 560 wide
};

/// A <svg> element that scales to the width of its container. With no finite point it says that
/// there is no data yet. Long series are thinned so that no spike and no gap is lost.
std::string to_svg(const Chart& chart);

/// The chart as a file of its own: title, legend with the latest values, the chart, its note; light
/// or dark by the reader's setting.
std::string to_svg_document(const Chart& chart);

/// A <figure>: title, legend with the latest values, the chart, its note.
std::string to_figure(const Chart& chart);

}  // namespace rela
