#include "rela/report/palette.h"

#include <fmt/format.h>

#include <utility>

namespace rela {
namespace {

const Palette kLight{.page = "#f5f6f8",
                     .card = "#ffffff",
                     .edge = "#cfd4dc",
                     .text = "#1c2127",
                     .soft = "#5b6470",
                     .grid = "#e6e9ee",
                     .good = "#15803d",
                     .busy = "#1d5fd1",
                     .warn = "#b45309",
                     .bad = "#c02626",
                     .series = {"#2b67e0", "#e4701e", "#0f9488", "#8b3fe0", "#b7860b", "#5d6b7e"}};

const Palette kDark{.page = "#0e1116",
                    .card = "#161b22",
                    .edge = "#29303a",
                    .text = "#e4e8ee",
                    .soft = "#929cab",
                    .grid = "#222933",
                    .good = "#4fc777",
                    .busy = "#74a7ff",
                    .warn = "#eda24a",
                    .bad = "#ff7b72",
                    .series = {"#6da2ff", "#ff9d57", "#43cdbf", "#c294ff", "#e3b94a", "#9aa7b8"}};

/// Calls each(name, colour) for every colour of a palette.
template <class AnyPalette, class Each>
void for_colors(AnyPalette& p, Each&& each) {
  each("page", p.page);
  each("card", p.card);
  each("edge", p.edge);
  each("text", p.text);
  each("soft", p.soft);
  each("grid", p.grid);
  each("good", p.good);
  each("busy", p.busy);
  each("warn", p.warn);
  each("bad", p.bad);
  for (size_t i = 0; i < p.series.size(); ++i) each(fmt::format("s{}", i), p.series[i]);
}

std::string variables(const Palette& palette) {
  std::string text;
  for_colors(palette, [&](const std::string& name, const std::string& color) {
    text += fmt::format(" --{}: {};", name, color);
  });
  return text;
}

}  // namespace

const Palette& light_palette() { return kLight; }

const Palette& page_palette() {
  static const Palette kPage = [] {
    Palette palette;
    for_colors(palette, [](const std::string& name, std::string& color) {
      color = fmt::format("var(--{})", name);
    });
    return palette;
  }();
  return kPage;
}

std::string page_variables() {
  return fmt::format(
      "\n:root {{ color-scheme: light dark;{} }}\n"
      "@media (prefers-color-scheme: dark) {{ :root {{{} }} }}\n",
      variables(kLight), variables(kDark));
}

}  // namespace rela
