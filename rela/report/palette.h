#pragma once
// The colours of charts and pages, each in one place. Charts are drawn with colours as attributes:
// plain ones in files, which must look the same in every program, and a style sheet's variables in
// pages, which are light or dark by the reader's setting.

#include <array>
#include <string>

namespace rela {

inline constexpr int kChartColors = 6;

struct Palette {
  std::string page;        // behind everything
  std::string card, edge;  // a card or a chart on the page, and lines around it
  std::string text, soft;  // words, and words of less weight
  std::string grid;        // lines behind a chart
  std::string good, busy, warn, bad;
  std::array<std::string, kChartColors> series;
};

/// On white. What files are drawn with.
const Palette& light_palette();
/// "var(--text)" and so on, which page_variables() defines.
const Palette& page_palette();

/// Style sheet that defines the variables: light, and dark where the reader prefers that.
std::string page_variables();

}  // namespace rela
