#pragma once
// Draws one chart in SVG elements that carry their colours as attributes.

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <utility>

#include "rela/report/chart_scale.h"
#include "rela/report/palette.h"
#include "rela/report/svg_chart.h"

namespace rela {

inline constexpr double kChartWidth = 560;  // of the view box, in its units

/// Attributes of a line of this colour and dash: stroke and stroke-dasharray.
std::string stroke_attributes(int color, int dash, const Palette& palette);

class ChartWriter {
 public:
  /// Both must outlive the writer.
  ChartWriter(const Chart& chart, const Palette& palette);

  /// Of the picture, in units of the view box.
  double height() const;
  /// What the picture's axes cover, as data-* attributes for the page's script.
  std::string axes() const;
  /// The elements of the picture, for once.
  std::string write();

 private:
  struct Label {
    double x = 0, y = 0;
    const char* anchor = "start";
    const std::string& color;
    const char* more = "";  // attributes
  };

  template <class... Args>
  void add(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), text, std::forward<Args>(args)...);
  }
  void add_text(const Label& label, const std::string& text);
  void add_nothing();
  void add_y_axis();
  void add_x_axis();
  void add_references();
  void add_markers();
  void add_series(const ChartSeries& s);
  void add_dot(const ChartSeries& s, size_t i);
  bool can_draw(double y) const;

  const Chart& chart_;
  const Palette& palette_;
  double bottom_;
  Axis x_, y_;
  bool is_empty_ = true;
  std::string out_;
};

}  // namespace rela
