#pragma once
// Line charts as SVG: inside a page, and as files that look the same in every program.

#include <limits>
#include <string>
#include <vector>

#include "rela/report/chart_scale.h"
#include "rela/report/palette.h"

namespace rela {

enum class LineStyle : unsigned char {
  kLine,
  kFaint,  // the raw values behind a smoothed line: no legend, no tooltip
  kDots,   // each point marked, for few and far between
};

inline constexpr int kChartDashes = 4;

/// One line. x counts something (steps, images) and ascends; a y that is not finite is a gap.
struct ChartSeries {
  std::string name{};
  std::vector<double> x{};
  std::vector<double> y{};
  LineStyle style = LineStyle::kLine;
  int color = 0;  // of the palette's series
  int dash = 0;   // 0: a solid line
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
  double highest = std::numeric_limits<double>::infinity();  // y that there can be: the axis ends
  std::vector<ChartSeries> series{};
  std::vector<ChartReference> references{};
  std::vector<ChartMarker> markers{};
  double height = 252;  // of the view box, which is 560 wide
};

/// A <svg> element that scales to the width of its container. With no finite point it says that
/// there is no data yet. Long series are thinned so that no spike and no gap is lost. Its colours
/// are the page's variables (palette.h).
std::string to_svg(const Chart& chart);

/// The chart as a file: title, legend with the latest values, the chart, its note, on white. Plain
/// attributes alone, no style sheet.
std::string to_svg_document(const Chart& chart);

/// A <figure>: title, legend with the latest values, the chart, its note.
std::string to_figure(const Chart& chart);

}  // namespace rela
