#include "rela/report/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>

#include "rela/report/html.h"
#include "rela/report/page_style.h"

namespace rela {
namespace {

// In units of the view box; the page scales it.
constexpr double kWidth = 560;
constexpr double kLeft = 54;
constexpr double kRight = 548;
constexpr double kEmptyHeight = 96;  // of a chart without data
constexpr double kTop = 16;
constexpr double kBelow = 44;  // for the ticks of x and, below them, its name
constexpr int kColumns = static_cast<int>(kRight - kLeft);
constexpr double kMargin = 14;      // of a document
constexpr double kLabelWidth = 70;  // a marker's label needs about this much
constexpr double kLetterWidth = 7;  // of a tick, about

class ChartWriter {
 public:
  explicit ChartWriter(const Chart& chart) : chart_(chart), bottom_(chart.height - kBelow) {
    Extent x, y;
    for (const ChartSeries& s : chart.series) {
      for (size_t i = 0; i < s.x.size(); ++i) {
        if (!std::isfinite(s.y[i])) continue;
        x.add(s.x[i]);
        y.add(s.y[i]);
      }
    }
    is_empty_ = !y.any;
    for (const ChartReference& r : chart.references) y.add(r.y);
    if (y.any && chart.start == AxisStart::kZero) y.add(0);
    x_ = Axis{.low = x.low, .high = x.high};
    if (!(x.low < x.high)) x_ = Axis{.low = x.low - 1, .high = x.high + 1};
    x_.from = kLeft;
    x_.to = kRight;
    y_ = fit_axis(y, chart.scale);
    y_.from = bottom_;
    y_.to = kTop;
  }

  /// Height of what write() gives, in units of the view box.
  double height() const { return is_empty_ ? kEmptyHeight : chart_.height; }

  /// `place`: attributes that put it into another picture.
  std::string write(const std::string& place = "") {
    add(R"(<svg class="chart" {}viewBox="0 0 {} {}" role="img" aria-label="{}" )", place, kWidth,
        height(), escape_html(chart_.title));
    add(R"(data-x="{} {} {} {}" data-y="{} {} {} {}" data-log="{:d}" data-unit="{}">)", x_.low,
        x_.high, x_.from, x_.to, y_.low, y_.high, y_.from, y_.to, y_.is_log,
        escape_html(chart_.unit));
    if (is_empty_) {
      add(R"(<rect class="empty" x="{}" y="{}" width="{}" height="{}" rx="6"/>)", kLeft, kTop,
          kRight - kLeft, kEmptyHeight - 2 * kTop);
      add(R"(<text class="empty" x="{}" y="{}">no data yet</text></svg>)", (kLeft + kRight) / 2,
          kEmptyHeight / 2 + 4);
      return std::move(out_);
    }
    add_y_axis();
    add_x_axis();
    add_references();
    add_markers();
    for (const ChartSeries& s : chart_.series) add_series(s);
    out_ += "</svg>";
    return std::move(out_);
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), text, std::forward<Args>(args)...);
  }

  void add_y_axis() {
    const auto ticks = y_.is_log ? log_ticks(y_.low, y_.high, 5) : linear_ticks(y_.low, y_.high, 5);
    const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
    for (const double tick : ticks) {
      const double y = y_.at(tick);
      add(R"(<path class="grid" d="M{} {:.2f}H{}"/>)", kLeft, y, kRight);
      add(R"(<text class="tick y" x="{}" y="{:.2f}">{}{}</text>)", kLeft - 7, y + 4,
          format_tick(tick, y_.is_log ? tick : step), escape_html(chart_.unit));
    }
  }

  void add_x_axis() {
    add(R"(<path class="axis" d="M{} {}H{}"/>)", kLeft, bottom_, kRight);
    const auto ticks = linear_ticks(x_.low, x_.high, 6);
    const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
    for (const double tick : ticks) {
      const double x = x_.at(tick);
      const std::string label = format_tick(tick, step);
      const double half = kLetterWidth / 2 * static_cast<double>(label.size());
      add(R"(<path class="axis" d="M{:.2f} {}v4"/>)", x, bottom_);
      add(R"(<text class="tick x" x="{:.2f}" y="{}">{}</text>)", std::min(x, kWidth - half),
          bottom_ + 18, label);
    }
    add(R"(<text class="tick end" x="{}" y="{}">{}</text>)", kRight, bottom_ + 35,
        escape_html(chart_.x_label));
  }

  void add_references() {
    for (const ChartReference& r : chart_.references) {
      const double y = y_.at(r.y);
      add(R"(<path class="reference" d="M{} {:.2f}H{}"/>)", kLeft, y, kRight);
      add(R"(<text class="reference" x="{}" y="{:.2f}">{}</text>)", kLeft + 6,
          y < kTop + 16 ? y + 15 : y - 6, escape_html(r.name));
    }
  }

  void add_markers() {
    double free_from = kLeft;  // labels that would overlap are left to the tooltip
    for (const ChartMarker& m : chart_.markers) {
      const double x = x_.at(m.x);
      if (!(x >= kLeft && x <= kRight)) continue;
      const std::string name = escape_html(m.name);
      add(R"(<g class="marker"><title>{}</title><path d="M{:.2f} {}V{}"/>)", name, x, kTop - 4,
          bottom_);
      const bool fits_right = x + kLabelWidth < kRight;
      if (x >= free_from && (fits_right || x - kLabelWidth >= free_from)) {
        add(R"(<text class="{}" x="{:.2f}" y="{}">{}</text>)", fits_right ? "start" : "end",
            fits_right ? x + 4 : x - 4, kTop + 5, name);
        free_from = fits_right ? x + kLabelWidth : kRight;
      }
      out_ += "</g>";
    }
  }

  void add_series(const ChartSeries& s) {
    const bool is_faint = s.style == LineStyle::kFaint;
    const std::vector<size_t> kept = decimate(s.x, s.y, kColumns);
    add(R"(<path class="line s{}{}{}" data-name="{}" d=")", s.color,
        s.dash > 0 ? fmt::format(" d{}", s.dash) : "", is_faint ? " faint" : "",
        escape_html(s.name));
    for (size_t k = 0; k < kept.size(); ++k) {
      if (!can_draw(s.y[kept[k]])) continue;
      const bool starts = k == 0 || !can_draw(s.y[kept[k - 1]]);
      const bool ends = k + 1 == kept.size() || !can_draw(s.y[kept[k + 1]]);
      add("{}{:.2f} {:.2f}", starts ? 'M' : 'L', x_.at(s.x[kept[k]]), y_.at(s.y[kept[k]]));
      if (starts && ends) out_ += "h0";  // alone between gaps: round line caps make it a dot
    }
    out_ += "\"/>";
    if (s.style != LineStyle::kDots) return;
    for (const size_t i : kept) {
      if (!can_draw(s.y[i])) continue;
      add(R"(<circle class="dots s{}" cx="{:.2f}" cy="{:.2f}" r="3"><title>{}: {}{} at {} {}</title></circle>)",
          s.color, x_.at(s.x[i]), y_.at(s.y[i]), escape_html(s.name), format_number(s.y[i]),
          escape_html(chart_.unit), escape_html(chart_.x_label), format_number(s.x[i]));
    }
  }

  bool can_draw(double y) const { return std::isfinite(y) && (!y_.is_log || y > 0); }

  const Chart& chart_;
  double bottom_;
  Axis x_, y_;
  bool is_empty_ = true;
  std::string out_;
};

/// The newest value as text: that is what a reader looks for first.
std::string latest(const ChartSeries& s, const std::string& unit) {
  if (s.y.empty()) return "";
  const double last = s.y.back();
  return std::isfinite(last) ? format_number(last) + unit : fmt::format("{}", last);
}

/// Adds the legend of a document below `y`, in two columns where the names leave room for them.
/// Returns where it ends.
double add_legend(const Chart& chart, double y, std::string& body) {
  constexpr double kKeyHeight = 19;
  constexpr size_t kColumnLetters = 44;  // what half the width holds at the size of a key
  const auto is_shown = [](const ChartSeries& s) {
    return s.style != LineStyle::kFaint && !s.y.empty();
  };
  int columns = 2;
  for (const ChartSeries& s : chart.series) {
    const bool is_long = s.name.size() + latest(s, chart.unit).size() > kColumnLetters;
    if (is_shown(s) && is_long) columns = 1;
  }
  int column = 0;
  for (const ChartSeries& s : chart.series) {
    if (!is_shown(s)) continue;
    const double x = kMargin + column * (kWidth - kMargin) / columns;
    body += fmt::format(
        R"(<path class="line s{} d{}" d="M{} {}h24"/><text class="key" x="{}" y="{}">{} <tspan>{}</tspan></text>)",
        s.color, s.dash, x, y + 9, x + 30, y + 13, escape_html(s.name),
        escape_html(latest(s, chart.unit)));
    column = (column + 1) % columns;
    if (column == 0) y += kKeyHeight;
  }
  return column == 0 ? y : y + kKeyHeight;
}

/// The words of a text in lines of at most `columns` bytes; a longer word has a line of its own.
std::vector<std::string> wrapped(const std::string& text, size_t columns) {
  std::vector<std::string> lines;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (lines.empty() || lines.back().size() + 1 + word.size() > columns) {
      lines.push_back(word);
    } else {
      lines.back().append(1, ' ').append(word);
    }
  }
  return lines;
}

}  // namespace

std::string to_svg(const Chart& chart) { return ChartWriter(chart).write(); }

std::string to_svg_document(const Chart& chart) {
  constexpr double kTitleHeight = 26;
  constexpr double kNoteHeight = 15;
  constexpr size_t kNoteColumns = 100;  // letters of a line of the note
  constexpr double kScale = 1.6;        // pixels for a unit, where nothing else sets the size
  ChartWriter writer(chart);
  std::string body = fmt::format(R"(<text class="title" x="{}" y="{}">{}</text>)", kMargin,
                                 kMargin + 16, escape_html(chart.title));
  double y = add_legend(chart, kMargin + kTitleHeight, body);
  body += '\n';
  body += writer.write(
      fmt::format(R"(x="0" y="{}" width="{}" height="{}" )", y, kWidth, writer.height()));
  y += writer.height() + kNoteHeight;
  for (const std::string& line : wrapped(chart.note, kNoteColumns)) {
    body += fmt::format("\n<text class=\"note\" x=\"{}\" y=\"{}\">{}</text>", kMargin, y,
                        escape_html(line));
    y += kNoteHeight;
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"document\" viewBox=\"0 0 {} {}\" "
      "width=\"{}\" height=\"{}\">\n<style>{}</style>\n"
      "<rect class=\"card\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n{}\n</svg>\n",
      kWidth, y, kWidth * kScale, y * kScale, kChartStyle, kWidth, y, body);
}

std::string to_figure(const Chart& chart) {
  std::string out = fmt::format("<figure><figcaption><b>{}</b>", escape_html(chart.title));
  for (const ChartSeries& s : chart.series) {
    if (s.style == LineStyle::kFaint || s.y.empty()) continue;
    out += fmt::format(R"(<span class="key s{}">{} <em>{}</em></span>)", s.color,
                       escape_html(s.name), escape_html(latest(s, chart.unit)));
  }
  out += fmt::format("</figcaption>{}", to_svg(chart));
  if (!chart.note.empty()) out += fmt::format("<p class=\"note\">{}</p>", escape_html(chart.note));
  return out + "</figure>\n";
}

}  // namespace rela
