#include "rela/report/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "rela/report/html.h"
#include "rela/report/page_style.h"
#include "rela/report/palette.h"
#include "rela/report/report_charts.h"
#include "rela/run/run_folder.h"
#include "runtime/io/file.h"

namespace rela {
namespace {

struct RunState {
  std::string name;
  const char* tone;  // a class of the style sheet
};

/// "running on 2026-11-30 at 04:12 UTC": the page stays as it is if the run is killed.
std::string running_since_written(const RunStatus& status) {
  if (!std::isfinite(status.time)) return status.state;
  const auto time = static_cast<std::time_t>(status.time);
  return fmt::format("{} on {:%Y-%m-%d at %H:%M} UTC", status.state, fmt::gmtime(time));
}

RunState run_state(const RunFolder& run) {
  const std::string& told = run.status.state;
  if (told == RunStatus::kRunning) return {running_since_written(run.status), "busy"};
  if (told == RunStatus::kFinished) return {told, "good"};
  if (!told.empty()) return {told, told == RunStatus::kFailed ? "bad" : "warn"};
  if (run.log.train.empty() && run.log.marks.empty()) return {"not started", "idle"};
  const bool stopped =
      !run.log.marks.empty() && std::holds_alternative<StopEvent>(run.log.marks.back().event);
  return {stopped ? "stopped" : "unfinished", "warn"};
}

int64_t last_step(const RunFolder& run) {
  int64_t step = run.status.step;
  if (!run.log.train.empty()) step = std::max(step, run.log.train.back().at.step);
  for (const auto& mark : run.log.marks) step = std::max(step, mark.at.step);
  return step;
}

/// Steps that the run is to take; 0 when its folder does not say.
int64_t total_steps(const RunFolder& run) {
  const int64_t told = run.status.total_steps;
  return told > 0 ? told : integer_at(run.config, "max_steps", 0);
}

double last_elapsed(const RunFolder& run) {
  double elapsed = kMissing;
  if (!run.log.train.empty()) elapsed = run.log.train.back().at.elapsed_s;
  for (const auto& mark : run.log.marks) elapsed = std::fmax(elapsed, mark.at.elapsed_s);
  return elapsed;
}

struct Card {
  std::string title{}, value{}, note{};
  double share = -1;  // of a progress bar; below 0: none
};

std::string to_html(const Card& card) {
  std::string bar;
  if (card.share >= 0) {
    bar = fmt::format(R"(<div class="bar"><i style="width:{:.1f}%"></i></div>)",
                      std::min(card.share, 1.0) * 100);
  }
  return fmt::format("<div class=\"card\"><span>{}</span><b>{}</b><small>{}</small>{}</div>\n",
                     escape_html(card.title), escape_html(card.value), escape_html(card.note), bar);
}

Card progress_card(const RunFolder& run) {
  const int64_t step = last_step(run), total = total_steps(run);
  Card card{.title = "Steps", .value = format_count(step), .note = ""};
  if (total <= 0) return card;
  card.share = static_cast<double>(step) / static_cast<double>(total);
  card.note = fmt::format("of {}", format_count(total));
  const double elapsed = last_elapsed(run);
  if (step > 0 && step < total && run.status.state == RunStatus::kRunning &&
      std::isfinite(elapsed)) {
    const std::string left = format_duration(elapsed * (1 / card.share - 1));
    if (!left.empty()) card.note += fmt::format(", {} left then", left);
  }
  return card;
}

Card accuracy_card(const RunFolder& run, const char* protocol, const char* title) {
  const EvalEvent* last = nullptr;
  double best = 0;
  for (const auto& [at, e] : run.log.evals) {
    if (e.protocol != protocol || !std::isfinite(e.top1)) continue;
    last = &e;
    best = std::max(best, e.top1);
  }
  if (last == nullptr) {
    const bool is_running = run.status.state == RunStatus::kRunning;
    return {
        .title = title, .value = "–", .note = is_running ? "not evaluated yet" : "not evaluated"};
  }
  return {.title = title,
          .value = fmt::format("{:.2f}%", last->top1 * 100),
          .note = fmt::format("best {:.2f}%", best * 100)};
}

/// Newest value of a metric that is a number.
double newest(const RunLog& log, double TrainEvent::*member) {
  for (auto p = log.train.rbegin(); p != log.train.rend(); ++p) {
    if (std::isfinite(p->event.*member)) return p->event.*member;
  }
  return kMissing;
}

Card number_card(const RunLog& log, const char* title, double TrainEvent::*member,
                 const char* note) {
  const double value = newest(log, member);
  return {.title = title, .value = std::isfinite(value) ? format_number(value) : "–", .note = note};
}

std::string cards(const RunFolder& run) {
  const std::string method = value_at(run.config, "method");
  std::string backbone = value_at(run.config, "backbone.name");
  if (const std::string width = value_at(run.config, "backbone.width"); !width.empty()) {
    backbone += fmt::format(", width {}", width);
  }
  const std::string elapsed = format_duration(last_elapsed(run));
  return "<section class=\"cards\">\n" +
         to_html({.title = "Method", .value = method.empty() ? "–" : method, .note = backbone}) +
         to_html(progress_card(run)) + to_html(accuracy_card(run, "knn", "kNN top-1")) +
         to_html(accuracy_card(run, "online_linear", "Online linear top-1")) +
         to_html(number_card(run.log, "Loss", &TrainEvent::loss, "latest")) +
         to_html(number_card(run.log, "Images/s", &TrainEvent::img_per_s, "latest")) +
         to_html({.title = "Elapsed", .value = elapsed.empty() ? "–" : elapsed, .note = ""}) +
         "</section>\n";
}

std::string notices(const RunFolder& run) {
  constexpr size_t kMostWarnings = 8;
  std::vector<std::string> lines = run.problems;
  std::vector<std::string> warnings;
  for (const auto& [at, event] : run.log.marks) {
    if (std::holds_alternative<WarningEvent>(event))
      warnings.push_back(fmt::format("step {}: {}", format_count(at.step), headline(event)));
  }
  if (warnings.size() > kMostWarnings) {
    lines.push_back(fmt::format("{} earlier warnings are in the table of events",
                                warnings.size() - kMostWarnings));
    warnings.erase(warnings.begin(), warnings.end() - kMostWarnings);
  }
  lines.insert(lines.end(), warnings.begin(), warnings.end());
  if (lines.empty()) return "";
  std::string out = "<section class=\"notice\"><b>Worth a look</b><ul>\n";
  for (const std::string& line : lines) out += fmt::format("<li>{}</li>\n", escape_html(line));
  return out + "</ul></section>\n";
}

std::string fold(const std::string& title, const std::string& note, const std::string& table) {
  return fmt::format(
      "<details><summary>{}<span>{}</span></summary><div class=\"scroll\"><table>{}</table></div>"
      "</details>\n",
      title, note, table);
}

std::string flat_table(const std::string& title, const FlatJson& json, const char* file) {
  if (json.empty()) return "";
  std::string rows;
  for (const auto& [key, value] : json) {
    rows += fmt::format("<tr><td class=\"key-name\">{}</td><td><code>{}</code></td></tr>\n",
                        escape_html(key), escape_html(value));
  }
  return fold(title, file, rows);
}

std::string evaluation_table(const RunLog& log) {
  if (log.evals.empty()) return "";
  std::string rows =
      "<tr><th>Protocol</th><th class=\"number\">Step</th><th class=\"number\">Epoch</th>"
      "<th class=\"number\">Top-1</th><th class=\"number\">Correct</th></tr>\n";
  for (const auto& [at, e] : log.evals) {
    rows += fmt::format(
        "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>"
        "<td class=\"number\">{:.2f}%</td><td class=\"number\">{} of {}</td></tr>\n",
        escape_html(e.protocol), format_count(at.step), format_count(at.epoch), e.top1 * 100,
        format_count(e.correct), format_count(e.total));
  }
  return fold("Evaluations", fmt::format("{}", log.evals.size()), rows);
}

std::string event_table(const RunLog& log) {
  if (log.marks.empty()) return "";
  std::string rows =
      "<tr><th>Event</th><th class=\"number\">Step</th><th class=\"number\">Elapsed</th>"
      "<th>Message</th></tr>\n";
  for (const auto& [at, event] : log.marks) {
    rows += fmt::format(
        "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>\n",
        name_of(event), format_count(at.step), format_duration(at.elapsed_s),
        escape_html(headline(event)));
  }
  return fold("Events", fmt::format("{}", log.marks.size()), rows);
}

std::string header(const RunFolder& run) {
  const RunState state = run_state(run);
  std::string line = run.status.message;
  if (line.empty() && !run.log.train.empty()) {
    const auto& [at, last] = run.log.train.back();
    line = fmt::format("Step {}, epoch {}", format_count(at.step), format_count(at.epoch));
    if (!last.phase.empty()) line += fmt::format(", phase {}", last.phase);
  }
  return fmt::format("<header><h1>{}</h1><span class=\"state {}\">{}</span><p>{}</p></header>\n",
                     escape_html(run.name), state.tone, escape_html(state.name), escape_html(line));
}

}  // namespace

std::string render_report(const std::filesystem::path& out_dir) {
  const RunFolder run = read_run_folder(out_dir);
  std::string page = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}: {}</title>\n<style>{}{}</style></head>\n<body><main>\n",
      escape_html(run.name), escape_html(run_state(run).name), page_variables(), kPageStyle);
  page += header(run) + cards(run) + notices(run);
  page += "<section class=\"charts\">\n";
  for (const Chart& chart : run_charts(run.log)) page += to_figure(chart);
  page += "</section>\n<h2>Details</h2>\n";
  page += evaluation_table(run.log) + event_table(run.log);
  page += flat_table("Configuration", run.config, "config.resolved.json");
  page += flat_table("Environment", run.environment, "env.json");
  page += flat_table("Status", run.status_table, RunStatus::kFile);
  page += fmt::format("</main>\n<script>{}</script>\n</body></html>\n", kPageScript);
  return page;
}

void write_report(const std::filesystem::path& out_dir) {
  write_file_atomic((out_dir / "report.html").string(), render_report(out_dir));
}

}  // namespace rela
