#include "rela/experiments/accuracy_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "rela/experiments/plan.h"
#include "runtime/error.h"

namespace rela {
namespace {

template <class T>
const T& member(const JsonValue& object, const char* key) {
  const JsonValue* value = object.find(key);
  const T* data = value == nullptr ? nullptr : value->as<T>();
  RELA_CHECK(data != nullptr, DataError, "results: \"", key,
             "\" is missing or of another type; name a results.json of experiment");
  return *data;
}

/// The cells' members that a row shares with them.
struct RowKey {
  std::string run;
  double ratio;

  bool operator==(const RowKey&) const = default;
};

RowKey row_key(const JsonValue& row_or_cell) {
  return {member<std::string>(row_or_cell, "run"), member<double>(row_or_cell, "ratio")};
}

/// A row's kNN by images seen.
ChartSeries mean_curve(const std::vector<const JsonValue*>& cells, int64_t images_per_step) {
  struct Sum {
    double percent = 0;
    int64_t cells = 0;
  };
  std::map<int64_t, Sum> by_step;
  for (const JsonValue* cell : cells) {
    for (const JsonValue& point : member<JsonValue::Array>(*cell, "knn_curve")) {
      Sum& sum = by_step[member<int64_t>(point, "step")];
      sum.percent += 100 * static_cast<double>(member<int64_t>(point, "correct")) /
                     static_cast<double>(member<int64_t>(point, "total"));
      ++sum.cells;
    }
  }
  ChartSeries series;
  for (const auto& [step, sum] : by_step) {
    series.x.push_back(static_cast<double>(step * images_per_step));
    series.y.push_back(sum.percent / static_cast<double>(sum.cells));
  }
  return series;
}

/// The place of an item in a list, to which it is added when it is new.
template <class T>
int index_in(std::vector<T>& list, const T& item) {
  const auto index = std::find(list.begin(), list.end(), item) - list.begin();
  if (index == std::ssize(list)) list.push_back(item);
  return static_cast<int>(index);
}

}  // namespace

Chart accuracy_chart(const JsonValue& results) {
  Chart chart{.title = "kNN top-1 against images seen",
              .x_label = "images seen",
              .note = member<std::string>(results, "title") + ". Mean over the seeds. " +
                      member_or<std::string>(results, "note"),
              .unit = "%",
              .scale = ChartScale::kLinear,
              .highest = 100,
              .height = 346};
  const auto& rows = member<JsonValue::Array>(results, "rows");
  const auto& cells = member<JsonValue::Array>(results, "cells");
  std::vector<std::string> runs;
  std::vector<double> ratios;
  for (const JsonValue& row : rows) index_in(ratios, row_key(row).ratio);
  std::sort(ratios.begin(), ratios.end());
  for (const JsonValue& row : rows) {
    const RowKey key = row_key(row);
    std::vector<const JsonValue*> of_row;
    for (const JsonValue& cell : cells) {
      if (row_key(cell) == key) of_row.push_back(&cell);
    }
    const int64_t steps = std::max<int64_t>(member<int64_t>(row, "steps"), 1);
    ChartSeries series = mean_curve(of_row, member<int64_t>(row, "images") / steps);
    series.name = fmt::format("{}, ratio {}", key.run, ratio_text(key.ratio));
    series.style = LineStyle::kDots;
    series.color = index_in(runs, key.run) % kChartColors;
    series.dash = index_in(ratios, key.ratio) % kChartDashes;
    chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace rela
