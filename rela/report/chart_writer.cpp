#include "rela/report/chart_writer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "rela/report/html.h"

namespace rela {
namespace {

// In units of the view box; the page scales it.
constexpr double kLeft = 54;
constexpr double kRight = 548;
constexpr double kEmptyHeight = 96;  // of a chart without data
constexpr double kTop = 16;
constexpr double kBelow = 44;  // for the ticks of x and, below them, its name
constexpr int kColumns = static_cast<int>(kRight - kLeft);
constexpr double kLabelWidth = 70;  // a marker's label needs about this much
constexpr double kLetterWidth = 7;  // of a tick, about

constexpr std::array<const char*, kChartDashes> kDashes{"", "7 4", "1.5 4", "10 4 1.5 4"};

}  // namespace

std::string stroke_attributes(int color, int dash, const Palette& palette) {
  std::string text = fmt::format(R"(stroke="{}")", palette.series.at(static_cast<size_t>(color)));
  if (dash > 0) {
    text += fmt::format(R"( stroke-dasharray="{}")", kDashes.at(static_cast<size_t>(dash)));
  }
  return text;
}

ChartWriter::ChartWriter(const Chart& chart, const Palette& palette)
    : chart_(chart), palette_(palette), bottom_(chart.height - kBelow) {
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
  x_ = fit_count_axis(x);
  x_.from = kLeft;
  x_.to = kRight;
  y_ = fit_axis(y, chart.scale, chart.highest);
  y_.from = bottom_;
  y_.to = kTop;
}

double ChartWriter::height() const { return is_empty_ ? kEmptyHeight : chart_.height; }

std::string ChartWriter::axes() const {
  return fmt::format(R"(data-x="{} {} {} {}" data-y="{} {} {} {}" data-log="{:d}" data-unit="{}")",
                     x_.low, x_.high, x_.from, x_.to, y_.low, y_.high, y_.from, y_.to, y_.is_log,
                     escape_html(chart_.unit));
}

std::string ChartWriter::write() {
  if (is_empty_) {
    add_nothing();
  } else {
    add_y_axis();
    add_x_axis();
    add_references();
    add_markers();
    for (const ChartSeries& s : chart_.series) add_series(s);
  }
  return std::move(out_);
}

void ChartWriter::add_text(const Label& label, const std::string& text) {
  add(R"(<text x="{:.2f}" y="{:.2f}" font-size="11.5" text-anchor="{}" fill="{}"{}>{}</text>)",
      label.x, label.y, label.anchor, label.color, label.more, text);
}

void ChartWriter::add_nothing() {
  add(R"(<rect x="{}" y="{}" width="{}" height="{}" rx="6" fill="none" stroke="{}" stroke-dasharray="5 5"/>)",
      kLeft, kTop, kRight - kLeft, kEmptyHeight - 2 * kTop, palette_.edge);
  add_text({.x = (kLeft + kRight) / 2,
            .y = kEmptyHeight / 2 + 4,
            .anchor = "middle",
            .color = palette_.soft},
           "no data yet");
}

void ChartWriter::add_y_axis() {
  const auto ticks = y_.is_log ? log_ticks(y_.low, y_.high, 5) : linear_ticks(y_.low, y_.high, 5);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
  for (const double tick : ticks) {
    const double y = y_.at(tick);
    add(R"(<path d="M{} {:.2f}H{}" stroke="{}"/>)", kLeft, y, kRight, palette_.grid);
    add_text({.x = kLeft - 7, .y = y + 4, .anchor = "end", .color = palette_.soft},
             format_tick(tick, y_.is_log ? tick : step) + escape_html(chart_.unit));
  }
}

void ChartWriter::add_x_axis() {
  add(R"(<path d="M{} {}H{}" stroke="{}"/>)", kLeft, bottom_, kRight, palette_.edge);
  const auto ticks = linear_ticks(x_.low, x_.high, 6, /*finest=*/1);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
  for (const double tick : ticks) {
    const double x = x_.at(tick);
    const std::string label = format_tick(tick, step);
    const double half = kLetterWidth / 2 * static_cast<double>(label.size());
    add(R"(<path d="M{:.2f} {}v4" stroke="{}"/>)", x, bottom_, palette_.edge);
    add_text({.x = std::min(x, kChartWidth - half),
              .y = bottom_ + 18,
              .anchor = "middle",
              .color = palette_.soft,
              .more = R"( class="tick")"},
             label);
  }
  add_text({.x = kRight, .y = bottom_ + 35, .anchor = "end", .color = palette_.soft},
           escape_html(chart_.x_label));
}

void ChartWriter::add_references() {
  for (const ChartReference& r : chart_.references) {
    const double y = y_.at(r.y);
    add(R"(<path d="M{} {:.2f}H{}" fill="none" stroke="{}" stroke-dasharray="6 4" opacity="0.75"/>)",
        kLeft, y, kRight, palette_.soft);
    Label label{
        .x = kLeft + 6, .y = y < kTop + 16 ? y + 15 : y - 6, .color = palette_.soft, .more = ""};
    const std::string halo =
        fmt::format(R"( stroke="{}" stroke-width="4" stroke-linejoin="round" aria-hidden="true")",
                    palette_.card);
    label.more = halo.c_str();
    add_text(label, escape_html(r.name));
    label.more = "";
    add_text(label, escape_html(r.name));
  }
}

void ChartWriter::add_markers() {
  double free_from = kLeft;  // labels that would overlap are left to the tooltip
  for (const ChartMarker& m : chart_.markers) {
    const double x = x_.at(m.x);
    if (!(x >= kLeft && x <= kRight)) continue;
    const std::string name = escape_html(m.name);
    add(R"(<g class="marker"><title>{}</title>)", name);
    add(R"(<path d="M{:.2f} {}V{}" fill="none" stroke="{}" stroke-width="1.2" stroke-dasharray="2 3"/>)",
        x, kTop - 4, bottom_, palette_.warn);
    const bool fits_right = x + kLabelWidth < kRight;
    if (x >= free_from && (fits_right || x - kLabelWidth >= free_from)) {
      add_text({.x = fits_right ? x + 4 : x - 4,
                .y = kTop + 5,
                .anchor = fits_right ? "start" : "end",
                .color = palette_.warn},
               name);
      free_from = fits_right ? x + kLabelWidth : kRight;
    }
    out_ += "</g>";
  }
}

void ChartWriter::add_series(const ChartSeries& s) {
  const bool is_faint = s.style == LineStyle::kFaint;
  const std::vector<size_t> kept = decimate(s.x, s.y, kColumns);
  std::vector<size_t> dots;  // every point, or those that no line leads to
  add(R"(<path class="line{}" data-name="{}" fill="none" {} )", is_faint ? " faint" : "",
      escape_html(s.name), stroke_attributes(s.color, s.dash, palette_));
  add(R"(stroke-width="{}"{} stroke-linejoin="round" stroke-linecap="round" d=")",
      is_faint ? 1 : 1.9, is_faint ? R"( opacity="0.32")" : "");
  for (size_t k = 0; k < kept.size(); ++k) {
    if (!can_draw(s.y[kept[k]])) continue;
    const bool starts = k == 0 || !can_draw(s.y[kept[k - 1]]);
    const bool ends = k + 1 == kept.size() || !can_draw(s.y[kept[k + 1]]);
    add("{}{:.2f} {:.2f}", starts ? 'M' : 'L', x_.at(s.x[kept[k]]), y_.at(s.y[kept[k]]));
    if (s.style == LineStyle::kDots || (starts && ends && !is_faint)) dots.push_back(kept[k]);
  }
  out_ += "\"/>";
  for (const size_t i : dots) add_dot(s, i);
}

void ChartWriter::add_dot(const ChartSeries& s, size_t i) {
  add(R"(<circle cx="{:.2f}" cy="{:.2f}" r="3" fill="{}" stroke="{}" stroke-width="1.8">)",
      x_.at(s.x[i]), y_.at(s.y[i]), palette_.card,
      palette_.series.at(static_cast<size_t>(s.color)));
  add("<title>{}: {}{} at {} {}</title></circle>", escape_html(s.name), format_number(s.y[i]),
      escape_html(chart_.unit), escape_html(chart_.x_label), format_number(s.x[i]));
}

bool ChartWriter::can_draw(double y) const { return std::isfinite(y) && (!y_.is_log || y > 0); }

}  // namespace rela
