#include "rela/report/heat_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "rela/report/palette.h"

namespace rela {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(HeatMap, ShowsEveryNumberAndLeavesTheOthersEmpty) {
  const std::string svg =
      to_svg(HeatMap{.title = "T", .names = {"a", "b"}, .values = {kNan, 0.125, 1.5, kNan}});
  EXPECT_THAT(svg, HasSubstr(">0.125<"));
  EXPECT_THAT(svg, HasSubstr(">1.500<"));
  EXPECT_THAT(svg, HasSubstr("<title>a to b: 0.125</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>b to b: no value</title>"));
  EXPECT_THAT(svg, Not(HasSubstr(">nan<")));
}

TEST(HeatMap, DarkCellsAreLargeValuesAndBeyondTheRangeNothingIsDarker) {
  const auto color = [](double value) {
    const std::string svg = to_svg(HeatMap{.title = "T", .names = {"a"}, .values = {value}});
    const size_t at = svg.find("fill=\"#", svg.find("<g>"));  // of the first cell
    return svg.substr(at + 6, 7);
  };
  EXPECT_EQ(color(0), "#f4f7fb");
  EXPECT_EQ(color(1), "#16427a");
  EXPECT_EQ(color(7), color(1));
  EXPECT_EQ(color(-7), color(0));
  EXPECT_NE(color(0.5), color(0));
}

TEST(HeatMap, NamesAreMadeSafeAndLongOnesKeepTheirEnd) {
  const std::string svg = to_svg(HeatMap{
      .title = "<T>", .names = {"a<b", std::string(40, 'x') + "-the-end"}, .values = {0, 0, 0, 0}});
  EXPECT_THAT(svg, HasSubstr("&lt;T&gt;"));
  EXPECT_THAT(svg, HasSubstr("a&lt;b"));
  EXPECT_THAT(svg, HasSubstr("xxx-the-end</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("fill=\"" + light_palette().text + "\">" + std::string(40, 'x'))));
}

TEST(HeatMap, OfNoModelsIsStillAPicture) {
  EXPECT_THAT(to_svg(HeatMap{.title = "T"}), HasSubstr("</svg>"));
}

}  // namespace
}  // namespace rela
