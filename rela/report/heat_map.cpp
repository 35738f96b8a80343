#include "rela/report/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "rela/report/html.h"
#include "rela/report/palette.h"

namespace rela {
namespace {

constexpr double kCell = 64;
constexpr double kMargin = 16;
constexpr double kTitle = 52;       // above the names of the columns
constexpr double kCharacter = 7.2;  // width of one of a name
constexpr size_t kLongestName = 28;
constexpr double kDark = 0.55;  // from here on the number is white

/// From near white to dark blue; `share` in [0, 1].
std::string color_at(double share) {
  constexpr std::array<double, 3> kPale{244, 247, 251}, kFull{22, 66, 122};
  std::array<int, 3> c{};
  for (size_t i = 0; i < 3; ++i) {
    c[i] = static_cast<int>(std::lround(kPale[i] + share * (kFull[i] - kPale[i])));
  }
  return fmt::format("#{:02x}{:02x}{:02x}", c[0], c[1], c[2]);
}

/// The end of a long name tells more than its beginning.
std::string shortened(const std::string& name) {
  if (name.size() <= kLongestName) return name;
  size_t from = name.size() - kLongestName + 1;
  while (from < name.size() && (static_cast<unsigned char>(name[from]) & 0xc0u) == 0x80u) ++from;
  return "\u2026" + name.substr(from);
}

class HeatMapWriter {
 public:
  explicit HeatMapWriter(const HeatMap& map) : map_(map) {
    size_t longest = map.row_label.size();
    for (const std::string& name : map.names) longest = std::max(longest, shortened(name).size());
    names_ = kCharacter * static_cast<double>(longest) + 12;
    left_ = kMargin + names_;
    top_ = kTitle + names_;
  }

  std::string write() {
    const double side = kCell * static_cast<double>(map_.names.size());
    const double width =
        std::max(left_ + side, kMargin + 9 * static_cast<double>(map_.title.size()));
    const double height = top_ + side + kMargin;
    add(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" )",
        width + kMargin, height);
    add(R"(height="{:.0f}" role="img" aria-label="{}" font-family="sans-serif" font-size="12">)",
        height, escape_html(map_.title));
    add(R"(<rect width="{:.0f}" height="{:.0f}" fill="{}"/>)", width + kMargin, height,
        colors_.card);
    add(R"(<text x="{}" y="26" font-size="15" font-weight="bold" fill="{}">{}</text>)", kMargin,
        colors_.text, escape_html(map_.title));
    add_label(map_.row_label, left_ - 8, top_ - 8, "end");
    add_label(map_.column_label, left_, kTitle - 6, "start");
    for (size_t i = 0; i < map_.names.size(); ++i) add_names(i);
    for (size_t i = 0; i < map_.names.size(); ++i) {
      for (size_t j = 0; j < map_.names.size(); ++j) add_cell(i, j);
    }
    out_ += "</svg>\n";
    return std::move(out_);
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), text, std::forward<Args>(args)...);
  }
  void add_label(const std::string& text, double x, double y, const char* anchor) {
    add(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" font-style="italic" fill="{}">{}</text>)",
        x, y, anchor, colors_.soft, escape_html(text));
  }
  void add_names(size_t i) {
    const std::string name = escape_html(shortened(map_.names[i]));
    const double middle = kCell * (static_cast<double>(i) + 0.5);
    add(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="end" fill="{}">{}</text>)", left_ - 8,
        top_ + middle + 4, colors_.text, name);
    add(R"svg(<text transform="translate({:.1f} {:.1f}) rotate(-90)" fill="{}">{}</text>)svg",
        left_ + middle + 4, top_ - 8, colors_.text, name);
  }
  void add_cell(size_t row, size_t column) {
    const double value = map_.values[row * map_.names.size() + column];
    const double x = left_ + kCell * static_cast<double>(column);
    const double y = top_ + kCell * static_cast<double>(row);
    const bool is_number = std::isfinite(value);
    const double share = std::clamp((value - map_.low) / (map_.high - map_.low), 0.0, 1.0);
    add(R"(<g><title>{} to {}: {}</title>)", escape_html(map_.names[row]),
        escape_html(map_.names[column]), is_number ? format_number(value) : "no value");
    add(R"(<rect x="{:.1f}" y="{:.1f}" width="{}" height="{}" rx="3" fill="{}"/>)", x + 1, y + 1,
        kCell - 2, kCell - 2, is_number ? color_at(share) : colors_.grid);
    if (is_number) {
      add(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle" fill="{}">{:.3f}</text>)",
          x + kCell / 2, y + kCell / 2 + 4, share > kDark ? colors_.card : colors_.text, value);
    }
    out_ += "</g>";
  }

  const HeatMap& map_;
  const Palette& colors_ = light_palette();
  double names_ = 0, left_ = 0, top_ = 0;
  std::string out_;
};

}  // namespace

std::string to_svg(const HeatMap& map) { return HeatMapWriter(map).write(); }

}  // namespace rela
