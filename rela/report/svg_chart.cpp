#include "rela/report/svg_chart.h"

#include <fmt/format.h>

#include <cmath>
#include <sstream>

#include "rela/report/chart_writer.h"
#include "rela/report/html.h"

namespace rela {
namespace {

constexpr double kMargin = 14;  // of a document

/// The newest value as text: that is what a reader looks for first.
std::string latest(const ChartSeries& s, const std::string& unit) {
  if (s.y.empty()) return "";
  const double last = s.y.back();
  return std::isfinite(last) ? format_number(last) + unit : fmt::format("{}", last);
}

/// Draws the legend of a document below `y`, in two columns where the names leave room for them.
/// Returns where it ends.
double add_legend(const Chart& chart, const Palette& palette, double y, std::string& body) {
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
    const double x = kMargin + column * (kChartWidth - kMargin) / columns;
    body += fmt::format(R"(<path d="M{} {}h24" {} stroke-width="1.9" stroke-linecap="round"/>)", x,
                        y + 9, stroke_attributes(s.color, s.dash, palette));
    body += fmt::format(
        R"(<text x="{}" y="{}" font-size="10.5" fill="{}">{} <tspan font-weight="bold" fill="{}">{}</tspan></text>)",
        x + 30, y + 13, palette.soft, escape_html(s.name), palette.text,
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

std::string to_svg(const Chart& chart) {
  ChartWriter writer(chart, page_palette());
  return fmt::format(
      R"(<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}" {}>{}</svg>)",
      kChartWidth, writer.height(), escape_html(chart.title), writer.axes(), writer.write());
}

std::string to_svg_document(const Chart& chart) {
  constexpr double kTitleHeight = 26;
  constexpr double kNoteHeight = 15;
  constexpr size_t kNoteColumns = 100;  // letters of a line of the note
  constexpr double kScale = 1.6;        // pixels for a unit, where nothing else sets the size
  const Palette& palette = light_palette();
  ChartWriter writer(chart, palette);
  std::string body =
      fmt::format(R"(<text x="{}" y="{}" font-size="14.5" font-weight="bold" fill="{}">{}</text>)",
                  kMargin, kMargin + 16, palette.text, escape_html(chart.title));
  double y = add_legend(chart, palette, kMargin + kTitleHeight, body);
  body += fmt::format("\n<g transform=\"translate(0 {})\">{}</g>", y, writer.write());
  y += writer.height() + kNoteHeight;
  for (const std::string& line : wrapped(chart.note, kNoteColumns)) {
    body += fmt::format("\n<text x=\"{}\" y=\"{}\" font-size=\"10\" fill=\"{}\">{}</text>", kMargin,
                        y, palette.soft, escape_html(line));
    y += kNoteHeight;
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\" "
      "font-family=\"sans-serif\">\n<rect width=\"{}\" height=\"{}\" fill=\"{}\"/>\n{}\n</svg>\n",
      kChartWidth, y, kChartWidth * kScale, y * kScale, kChartWidth, y, palette.card, body);
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
