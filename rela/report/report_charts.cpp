#include "rela/report/report_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace rela {
namespace {

constexpr double kAllPercent = 100;

ChartSeries train_series(const RunLog& log, const char* name, double TrainEvent::*member) {
  ChartSeries s{.name = name};
  for (const auto& [at, event] : log.train) {
    s.x.push_back(static_cast<double>(at.step));
    s.y.push_back(event.*member);
  }
  return s;
}

/// The values as they are, faint, behind their moving average; few values are shown plain.
std::vector<ChartSeries> noisy_series(const RunLog& log, const char* name,
                                      double TrainEvent::*member) {
  constexpr size_t kEnough = 60;
  ChartSeries raw = train_series(log, name, member);
  if (raw.y.size() < kEnough) return {std::move(raw)};
  ChartSeries smooth = raw;
  smooth.y = smoothed(raw.y, 0.9);
  smooth.name += ", smoothed";
  raw.style = LineStyle::kFaint;
  return {std::move(raw), std::move(smooth)};
}

std::vector<ChartMarker> markers(const RunLog& log) {
  std::vector<ChartMarker> out;
  for (const auto& [at, event] : log.marks) {
    const auto step = static_cast<double>(at.step);
    if (std::holds_alternative<ResumeEvent>(event)) out.push_back({"resumed", step});
    if (std::holds_alternative<PhaseSwitchEvent>(event)) out.push_back({headline(event), step});
  }
  return out;
}

std::string protocol_name(const std::string& protocol) {
  if (protocol == "knn") return "kNN";
  if (protocol == "online_linear") return "online linear";
  return protocol;
}

Chart accuracy_chart(const RunLog& log) {
  std::map<std::string, ChartSeries> by_protocol;
  for (const auto& [at, e] : log.evals) {
    ChartSeries& s = by_protocol[e.protocol];
    s.x.push_back(static_cast<double>(at.step));
    s.y.push_back(e.top1 * 100);
  }
  Chart chart{
      .title = "Accuracy", .unit = "%", .scale = ChartScale::kLinear, .highest = kAllPercent};
  for (auto& [protocol, series] : by_protocol) {
    series.name = protocol_name(protocol);
    series.style = series.y.size() <= 80 ? LineStyle::kDots : LineStyle::kLine;
    series.color = static_cast<int>(chart.series.size() % kChartColors);
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Chart feature_chart(const RunLog& log) {
  Chart chart{.title = "Feature deviation",
              .note = "Mean deviation of the l2-normalised features: 0 is collapse.",
              .scale = ChartScale::kLinear,
              .start = AxisStart::kZero,
              .series = {train_series(log, "deviation", &TrainEvent::feature_std)}};
  if (log.feature_dim > 0) {
    chart.references.push_back({fmt::format("healthy: 1/√{}", log.feature_dim),
                                1.0 / std::sqrt(static_cast<double>(log.feature_dim))});
  }
  return chart;
}

Chart data_wait_chart(const RunLog& log) {
  std::vector<ChartSeries> series = noisy_series(log, "waiting", &TrainEvent::data_wait);
  for (ChartSeries& s : series) {
    for (double& y : s.y) y = std::round(1e4 * y) / 100;  // less than a hundredth of 1 % is none
  }
  return {.title = "Waiting for data",
          .note = "Share of the time in which training stood still for want of a batch.",
          .unit = "%",
          .scale = ChartScale::kLinear,
          .start = AxisStart::kZero,
          .highest = kAllPercent,
          .series = std::move(series)};
}

}  // namespace

std::vector<Chart> run_charts(const RunLog& log) {
  std::vector<Chart> charts;
  charts.push_back({.title = "Loss", .series = noisy_series(log, "loss", &TrainEvent::loss)});
  charts.push_back(accuracy_chart(log));
  charts.push_back(feature_chart(log));
  charts.push_back(
      {.title = "Gradient norm", .series = noisy_series(log, "norm", &TrainEvent::grad_norm)});
  charts.push_back({.title = "Learning rate",
                    .scale = ChartScale::kLinear,
                    .series = {train_series(log, "rate", &TrainEvent::lr)}});
  charts.push_back({.title = "Target momentum τ",
                    .scale = ChartScale::kLinear,
                    .highest = 1,
                    .series = {train_series(log, "τ", &TrainEvent::tau)}});
  charts.push_back({.title = "Speed",
                    .scale = ChartScale::kLinear,
                    .start = AxisStart::kZero,
                    .series = noisy_series(log, "images/s", &TrainEvent::img_per_s)});
  charts.push_back(data_wait_chart(log));
  for (Chart& chart : charts) {
    chart.x_label = "step";
    chart.markers = markers(log);
  }
  return charts;
}

}  // namespace rela
