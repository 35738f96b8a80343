#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>

#include "rela/report/chart_scale.h"
#include "rela/report/html.h"
#include "rela/report/svg_chart.h"

namespace rela {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

std::vector<std::string> tick_texts(const std::vector<double>& ticks) {
  std::vector<std::string> out;
  out.reserve(ticks.size());
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
  for (const double tick : ticks) out.push_back(format_tick(tick, step));
  return out;
}

TEST(Ticks, AreRoundNumbersInsideTheRange) {
  EXPECT_THAT(tick_texts(linear_ticks(0, 1, 5)),
              ElementsAre("0.0", "0.2", "0.4", "0.6", "0.8", "1.0"));
  EXPECT_THAT(tick_texts(linear_ticks(-3, 12, 4)), ElementsAre("0", "5", "10"));
  EXPECT_THAT(tick_texts(linear_ticks(0.9889, 1.0003, 5)),
              ElementsAre("0.990", "0.992", "0.994", "0.996", "0.998", "1.000"));
  EXPECT_THAT(tick_texts(linear_ticks(0, 19500, 4)), ElementsAre("0", "5,000", "10,000", "15,000"));
  EXPECT_THAT(tick_texts(linear_ticks(0, 4e-5, 2)), ElementsAre("0.00000", "2e-05", "4e-05"));
}

TEST(Chart, EveryTickOfXHasItsTextInsideThePictureAndTheNameOfTheAxisStandsBelow) {
  Chart chart{.x_label = "images seen, and a long name of the axis"};
  chart.series.push_back({.x = {0, 500'000}, .y = {1, 2}});
  const std::string svg = to_svg(chart);
  std::vector<std::string> texts;
  std::vector<double> right_ends;
  std::string row;
  const std::regex tick(R"re(<text x="([0-9.]+)" y="([0-9.]+)"[^>]* class="tick">([^<]*))re");
  for (std::sregex_iterator it(svg.begin(), svg.end(), tick), end; it != end; ++it) {
    row = (*it)[2];
    texts.push_back((*it)[3]);
    right_ends.push_back(std::stod((*it)[1]) + 3.2 * static_cast<double>(texts.back().size()));
  }
  EXPECT_THAT(texts, ElementsAre("0", "100,000", "200,000", "300,000", "400,000", "500,000"));
  EXPECT_THAT(right_ends, testing::Each(testing::Le(560)));
  std::smatch name;
  ASSERT_TRUE(std::regex_search(svg, name,
                                std::regex(R"re(<text x="[0-9.]+" y="([0-9.]+)"[^>]*>images)re")));
  EXPECT_GE(std::stod(name[1]), std::stod(row) + 14);
  EXPECT_LE(std::stod(name[1]), chart.height);
}

TEST(Ticks, OfAnImpossibleRangeAreNone) {
  EXPECT_TRUE(linear_ticks(1, 1, 5).empty());
  EXPECT_TRUE(linear_ticks(2, 1, 5).empty());
  EXPECT_TRUE(linear_ticks(kNan, 1, 5).empty());
  EXPECT_TRUE(linear_ticks(0, kInf, 5).empty());
  EXPECT_TRUE(log_ticks(0, 1, 5).empty());
  EXPECT_TRUE(log_ticks(-1, 1, 5).empty());
}

TEST(Ticks, OfALogAxisArePowersOfTenOrFinerWhenFew) {
  EXPECT_THAT(log_ticks(0.9e-3, 1.1, 5), ElementsAre(1e-3, 1e-2, 1e-1, 1));
  EXPECT_THAT(log_ticks(0.3, 6, 5), ElementsAre(0.5, 1, 2, 5));
  EXPECT_LE(log_ticks(1e-30, 1e30, 5).size(), 7U);
}

TEST(Axis, TurnsToLogOnlyForPositiveValuesOverMoreThanTwoDecades) {
  const auto covering = [](double low, double high) {
    Extent e;
    e.add(low);
    e.add(high);
    return e;
  };
  EXPECT_FALSE(fit_axis(covering(0.1, 9), ChartScale::kAuto).is_log);
  EXPECT_TRUE(fit_axis(covering(0.1, 11), ChartScale::kAuto).is_log);
  EXPECT_FALSE(fit_axis(covering(0, 1000), ChartScale::kAuto).is_log);
  EXPECT_FALSE(fit_axis(covering(0.1, 1000), ChartScale::kLinear).is_log);
  EXPECT_FALSE(fit_axis(covering(-1, 5), ChartScale::kLog).is_log);
}

TEST(Axis, SurroundsASingleValueAndNeedsNoValueAtAll) {
  Extent one;
  one.add(kNan);
  one.add(0.99);
  const Axis axis = fit_axis(one, ChartScale::kAuto);
  EXPECT_LT(axis.low, 0.99);
  EXPECT_GT(axis.high, 0.99);
  const Axis none = fit_axis({}, ChartScale::kAuto);
  EXPECT_LT(none.low, none.high);
}

TEST(Axis, EndsAtTheHighestValueThereCanBe) {
  Extent tau;
  tau.add(0.99);
  EXPECT_GT(fit_axis(tau, ChartScale::kLinear).high, 1);
  EXPECT_EQ(fit_axis(tau, ChartScale::kLinear, 1).high, 1);
  tau.add(1);
  EXPECT_EQ(fit_axis(tau, ChartScale::kLinear, 1).high, 1);
  tau.add(1.5);  // an impossible value is not cut off
  EXPECT_EQ(fit_axis(tau, ChartScale::kLinear, 1).high, 1.5);
}

TEST(Decimation, KeepsEveryPointOfAShortSeries) {
  EXPECT_THAT(decimate({1, 2, 3}, {5, kNan, 7}, 10), ElementsAre(0, 1, 2));
  EXPECT_TRUE(decimate({}, {}, 10).empty());
}

TEST(Decimation, KeepsSpikesGapsAndBothEndsOfALongSeries) {
  std::vector<double> x, y;
  for (int i = 0; i < 100'000; ++i) {
    x.push_back(i);
    y.push_back(std::sin(i * 0.001));
  }
  y[41'234] = 50;
  y[41'300] = -50;
  y[70'000] = kNan;
  y[70'001] = kInf;
  const std::vector<size_t> kept = decimate(x, y, 500);
  EXPECT_LE(kept.size(), 500U * 5);
  for (const size_t i : {0, 41'234, 41'300, 70'000, 99'999})
    EXPECT_THAT(kept, testing::Contains(i));
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
}

TEST(Smoothing, StartsUnbiasedAndStepsOverGaps) {
  const std::vector<double> s = smoothed({4, 4, kNan, 4, 8}, 0.5);
  EXPECT_DOUBLE_EQ(s[0], 4);
  EXPECT_DOUBLE_EQ(s[1], 4);
  EXPECT_TRUE(std::isnan(s[2]));
  EXPECT_DOUBLE_EQ(s[3], 4);
  EXPECT_GT(s[4], 5.9);
  EXPECT_LT(s[4], 6.2);
}

TEST(Html, EscapesAndFormats) {
  EXPECT_EQ(escape_html("a\x07\n\x1b<"), "a\n&lt;");
  EXPECT_EQ(escape_html("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(-1234567), "-1,234,567");
  EXPECT_EQ(format_number(12345.6), "12,346");
  EXPECT_EQ(format_number(0.00123456), "0.001235");
  EXPECT_EQ(format_duration(12.34), "12.3 s");
  EXPECT_EQ(format_duration(245), "4 min 05 s");
  EXPECT_EQ(format_duration(3900), "1 h 05 min");
  EXPECT_EQ(format_duration(kNan), "");
}

TEST(Chart, BreaksALineAtGapsAndDotsALonelyPoint) {
  const Chart chart{
      .title = "t",
      .series = {{.name = "a", .x = {0, 1, 2, 3, 4, 5}, .y = {0, 1, kNan, 1, kInf, 0}}}};
  const std::string svg = to_svg(chart);
  const std::string path = svg.substr(svg.find("class=\"line"));
  EXPECT_EQ(std::count(path.begin(), path.begin() + path.find("/>"), 'M'), 3);
  EXPECT_EQ(std::count(path.begin(), path.begin() + path.find("/>"), 'L'), 1);
  EXPECT_THAT(svg, HasSubstr("<title>a: 1 at  3</title></circle>"));
  EXPECT_THAT(svg, HasSubstr("<title>a: 0 at  5</title></circle>"));
  EXPECT_EQ(svg.find("<circle"), svg.find("<circle cx=\"350"));  // none of the line's own points
}

std::vector<std::string> x_ticks(const Chart& chart) {
  const std::string svg = to_svg(chart);
  std::vector<std::string> texts;
  const std::regex tick(R"re(class="tick">([^<]*))re");
  for (std::sregex_iterator it(svg.begin(), svg.end(), tick), end; it != end; ++it) {
    texts.push_back((*it)[1]);
  }
  return texts;
}

TEST(Chart, CountsAlongXInWholeNumbers) {
  const auto chart = [](std::vector<double> x) {
    std::vector<double> y(x.size(), 1.0);
    return Chart{.series = {{.x = std::move(x), .y = std::move(y)}}};
  };
  EXPECT_THAT(x_ticks(chart({0, 1, 2})), ElementsAre("0", "1", "2"));
  EXPECT_THAT(x_ticks(chart({0, 4})), ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_THAT(x_ticks(chart({10})), ElementsAre("9", "10", "11"));
  EXPECT_THAT(x_ticks(chart({0})), ElementsAre("0", "1"));
}

TEST(Chart, OfOnePointShowsIt) {
  const std::string svg = to_svg({.series = {{.name = "a", .x = {7}, .y = {0.5}}}});
  EXPECT_THAT(svg, testing::ContainsRegex("<circle cx=\"301.00\" cy=\"[0-9.]+\" r=\"3\""));
}

TEST(Chart, SaysWhenThereIsNothingToShow) {
  for (const std::vector<double>& y : {std::vector<double>{}, std::vector<double>{kNan, kInf}}) {
    std::vector<double> x(y.size());
    const std::string svg = to_svg({.title = "t", .series = {{.name = "a", .x = x, .y = y}}});
    EXPECT_THAT(svg, HasSubstr("no data yet"));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
  }
}

TEST(Chart, DrawsReferencesMarkersAndSafeNames) {
  const Chart chart{
      .title = "a < b",
      .unit = "%",
      .series = {{.name = "x & y", .x = {0, 100}, .y = {10, 20}, .style = LineStyle::kDots}},
      .references = {{.name = "healthy", .y = 30}},
      .markers = {{.name = "resumed", .x = 50}, {.name = "outside", .x = 500}}};
  const std::string figure = to_figure(chart);
  for (const char* part :
       {"a &lt; b", "x &amp; y", "healthy", "<title>resumed</title>", "20%</em>", "<circle"})
    EXPECT_THAT(figure, HasSubstr(part));
  EXPECT_THAT(figure, Not(HasSubstr("outside")));
}

TEST(Chart, AsADocumentBringsLegendAndNoteAndPlainColoursAlone) {
  const Chart chart{.title = "a < b",
                    .note = std::string(90, 'n') + " and " + std::string(90, 'm'),
                    .unit = "%",
                    .series = {{.name = "x & y", .x = {0, 100}, .y = {10, 20}},
                               {.name = "dashed", .x = {0, 100}, .y = {10, 30}, .dash = 2},
                               {.name = "empty"}},
                    .references = {{.name = "healthy", .y = 30}},
                    .markers = {{.name = "resumed", .x = 50}},
                    .height = 300};
  const std::string svg = to_svg_document(chart);
  for (const char* part : {"<svg xmlns=", "a &lt; b</text>", "x &amp; y <tspan", ">20%</tspan>",
                           "stroke=\"#2b67e0\" stroke-dasharray=\"1.5 4\"", "nn and</text>"})
    EXPECT_THAT(svg, HasSubstr(part));
  for (const char* part : {"empty <tspan", "var(", "light-dark", "<style", "currentColor"})
    EXPECT_THAT(svg, Not(HasSubstr(part)));
}

TEST(Chart, InAPageTakesItsColoursFromThePage) {
  const Chart chart{.title = "t", .series = {{.name = "a", .x = {0, 1}, .y = {0, 1}, .color = 2}}};
  const std::string svg = to_svg(chart);
  EXPECT_THAT(svg, HasSubstr("stroke=\"var(--s2)\""));
  EXPECT_THAT(svg, Not(testing::ContainsRegex("(fill|stroke)=\"#")));
  EXPECT_THAT(page_variables(), HasSubstr("--s2: " + light_palette().series[2] + ";"));
}

}  // namespace
}  // namespace rela
