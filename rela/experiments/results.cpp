#include "rela/experiments/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "rela/experiments/accuracy_chart.h"
#include "rela/report/html.h"
#include "runtime/io/file.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

using State = CellResult::State;

constexpr const char* kNothing = "–";

ResultRow row_of(const Cell& cell) {
  const ExperimentConfig& c = cell.config;
  ResultRow row{.run = cell.run,
                .method = method_name(c.method),
                .ratio = cell.ratio(),
                .steps = cell.total_steps,
                .images = cell.total_steps * c.effective_batch()};
  if (c.has_rela_phase()) {
    row.prior = c.rela.prior.model;
    row.map = c.rela.train_map ? "trained" : "fixed";
  }
  return row;
}

void add_cell(const Cell& cell, const CellResult& result, ResultRow& row) {
  row.seeds.push_back(cell.seed());
  if (result.state != State::kDone) return;
  ++row.done;
  if (result.seconds > 0) row.seconds.values.push_back(result.seconds);  // 0: the record was lost
  if (result.knn) row.knn.values.push_back(100 * result.knn->top1());
  if (result.linear) row.linear.values.push_back(100 * result.linear->top1());
  if (result.switch_step) row.switch_steps.push_back(*result.switch_step);
}

JsonValue to_json(const Spread& spread) {
  if (spread.values.empty()) return {};
  JsonValue::Array values;
  for (const double value : spread.values) values.emplace_back(value);
  return JsonValue::Object{
      {"mean", spread.mean()}, {"deviation", spread.deviation()}, {"values", std::move(values)}};
}

JsonValue to_json(const std::vector<int64_t>& integers) {
  JsonValue::Array array;
  for (const int64_t value : integers) array.emplace_back(value);
  return JsonValue(std::move(array));
}

JsonValue text_or_null(const std::string& text) {
  return text.empty() ? JsonValue() : JsonValue(text);
}

JsonValue to_json(const ResultRow& row) {
  return JsonValue::Object{{"run", row.run},
                           {"method", row.method},
                           {"prior", text_or_null(row.prior)},
                           {"map", text_or_null(row.map)},
                           {"ratio", row.ratio},
                           {"seeds", to_json(row.seeds)},
                           {"done", row.done},
                           {"steps", row.steps},
                           {"images", row.images},
                           {"knn_percent", to_json(row.knn)},
                           {"linear_percent", to_json(row.linear)},
                           {"switch_steps", to_json(row.switch_steps)},
                           {"seconds", to_json(row.seconds)}};
}

JsonValue to_json(const std::optional<Score>& score) {
  if (!score) return {};
  return JsonValue::Object{
      {"correct", score->correct}, {"total", score->total}, {"top1", score->top1()}};
}

JsonValue to_json(const Cell& cell, const CellResult& result) {
  JsonValue::Array curve;
  for (const auto& [at, event] : result.curve) {
    curve.emplace_back(
        JsonValue::Object{{"step", at.step}, {"correct", event.correct}, {"total", event.total}});
  }
  return JsonValue::Object{
      {"name", cell.name},
      {"run", cell.run},
      {"ratio", cell.ratio()},
      {"seed", cell.seed()},
      {"state", state_name(result.state)},
      {"message", text_or_null(result.message)},
      {"step", result.step},
      {"total_steps", cell.total_steps},
      {"seconds", result.seconds},
      {"switch_step", result.switch_step ? JsonValue(*result.switch_step) : JsonValue()},
      {"knn", to_json(result.knn)},
      {"linear", to_json(result.linear)},
      {"knn_curve", std::move(curve)}};
}

/// `done`: seeds that could have a value.
std::string to_text(const Spread& spread, int64_t done) {
  const auto n = std::ssize(spread.values);
  if (n == 0) return kNothing;
  std::string text = fmt::format("{:.2f}", spread.mean());
  if (n > 1) text += fmt::format(" ± {:.2f}", spread.deviation());
  if (n < done) text += fmt::format(" ({} of {})", n, done);
  return text;
}

std::string text_or_nothing(const std::string& text) { return text.empty() ? kNothing : text; }

std::string switch_text(const ResultRow& row) {
  if (row.prior.empty() || row.done == 0) return kNothing;
  if (row.switch_steps.empty()) return "not reached";
  const auto [low, high] = std::minmax_element(row.switch_steps.begin(), row.switch_steps.end());
  std::string text = format_count(*low);
  if (*high != *low) text += kNothing + format_count(*high);
  if (std::ssize(row.switch_steps) < row.done) text += " or not reached";
  return text;
}

std::string seeds_text(const ResultRow& row) {
  const auto all = std::ssize(row.seeds);
  return row.done == all ? fmt::format("{}", all) : fmt::format("{} of {}", row.done, all);
}

/// Markdown of the cells that have no numbers yet, with the reasons of those that failed.
std::string unfinished_markdown(const Plan& plan, const std::vector<CellResult>& results) {
  std::string text;
  for (size_t i = 0; i < results.size(); ++i) {
    const CellResult& r = results[i];
    if (r.state == State::kDone) continue;
    std::string message = r.message;
    std::replace(message.begin(), message.end(), '\n', ' ');
    text += fmt::format("- {}: {}, step {} of {}{}\n", plan.cells[i].name, state_name(r.state),
                        format_count(r.step), format_count(plan.cells[i].total_steps),
                        message.empty() ? "" : ": " + message);
  }
  return text.empty() ? "" : "\nNot done:\n\n" + text;
}

}  // namespace

double Spread::mean() const {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

double Spread::deviation() const {
  if (values.size() < 2) return 0;
  double squares = 0;
  for (const double value : values) squares += (value - mean()) * (value - mean());
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

std::vector<ResultRow> result_rows(const Plan& plan, const std::vector<CellResult>& results) {
  std::vector<ResultRow> rows;
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    const Cell& cell = plan.cells[i];
    auto row = std::find_if(rows.begin(), rows.end(), [&](const ResultRow& r) {
      return r.run == cell.run && r.ratio == cell.ratio();
    });
    if (row == rows.end()) row = rows.insert(rows.end(), row_of(cell));
    add_cell(cell, results.at(i), *row);
  }
  return rows;
}

JsonValue results_json(const Plan& plan, const std::vector<CellResult>& results) {
  JsonValue::Array rows;
  for (const ResultRow& row : result_rows(plan, results)) rows.push_back(to_json(row));
  JsonValue::Array cells;
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    cells.push_back(to_json(plan.cells[i], results.at(i)));
  }
  return JsonValue::Object{{"title", plan.title},
                           {"note", text_or_null(plan.note)},
                           {"rows", std::move(rows)},
                           {"cells", std::move(cells)}};
}

std::string results_markdown(const Plan& plan, const std::vector<CellResult>& results) {
  std::string text = fmt::format(
      "# {}\n\n| run | method | prior | map | ratio | seeds | steps | images seen | kNN top-1, % | "
      "linear top-1, % | switch at step | seconds |\n"
      "|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
      plan.title);
  for (const ResultRow& row : result_rows(plan, results)) {
    text += fmt::format(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", row.run, row.method,
        text_or_nothing(row.prior), text_or_nothing(row.map), ratio_text(row.ratio),
        seeds_text(row), format_count(row.steps), format_count(row.images),
        to_text(row.knn, row.done), to_text(row.linear, row.done), switch_text(row),
        row.seconds.values.empty() ? kNothing : format_count(std::llround(row.seconds.mean())));
  }
  text +=
      "\nMean ± deviation (n - 1) over the seeds, counted on the test images. An image counts as "
      "seen once per step\nthat draws it, in two views. Seconds are those of training and its "
      "evaluations; making the targets, once per prior,\nis not in them.\n";
  if (!plan.note.empty()) text += "\n" + plan.note + "\n";
  text += unfinished_markdown(plan, results);
  return text + "\n![kNN top-1 against images seen](accuracy.svg)\n";
}

void write_results(const Plan& plan, const std::vector<CellResult>& results) {
  const fs::path out(plan.out);
  const JsonValue json = results_json(plan, results);
  write_file_atomic((out / "results.json").string(),
                    to_json_text(json, JsonLayout::kIndented) + "\n");
  write_file_atomic((out / "results.md").string(), results_markdown(plan, results));
  write_file_atomic((out / "accuracy.svg").string(), to_svg_document(accuracy_chart(json)));
}

}  // namespace rela
