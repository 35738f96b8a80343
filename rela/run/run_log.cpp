#include "rela/run/run_log.h"

#include <filesystem>
#include <optional>
#include <utility>

#include "runtime/io/file.h"
#include "runtime/io/json.h"

namespace rela {
namespace {

std::optional<Logged<RunEvent>> parse_event(std::string_view line) {
  try {
    return event_of(parse_json(line));
  } catch (const JsonError&) {
    return std::nullopt;
  }
}

/// Sorts events into a log.
struct Sorter {
  RunLog& log;
  const EventStamp& at;

  void operator()(const TrainEvent& event) const { log.train.push_back({at, event}); }
  void operator()(const EvalEvent& event) const { log.evals.push_back({at, event}); }
  void operator()(const StartEvent& event) const { add_start(event, event.facts); }
  void operator()(const ResumeEvent& event) const { add_start(event, event.facts); }
  template <class Event>
  void operator()(const Event& event) const {
    log.marks.push_back({at, event});
  }

 private:
  void add_start(const RunEvent& event, const RunFacts& facts) const {
    log.marks.push_back({at, event});
    if (facts.feature_dim > 0) log.feature_dim = facts.feature_dim;
  }
};

/// Calls each(line) for every line that ends in a newline, without it; returns the bytes of those.
template <class Each>
size_t for_whole_lines(std::string_view text, Each&& each) {
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', begin)) {
    each(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return begin;
}

}  // namespace

RunLog parse_run_log(std::string_view text) {
  RunLog log;
  int64_t line_number = 0;
  const size_t whole = for_whole_lines(text, [&](std::string_view line) {
    ++line_number;
    if (const std::optional<Logged<RunEvent>> logged = parse_event(line)) {
      std::visit(Sorter{log, logged->at}, logged->event);
    } else {
      log.bad_lines.push_back(line_number);
    }
  });
  log.whole_bytes = static_cast<int64_t>(whole);
  log.torn = whole < text.size();
  return log;
}

RunLog read_run_log(const std::string& path) {
  if (!std::filesystem::exists(path)) return {};
  return parse_run_log(read_file(path));
}

std::string keep_steps_through(std::string_view text, int64_t step) {
  std::string kept;
  for_whole_lines(text, [&](std::string_view line) {
    const std::optional<Logged<RunEvent>> logged = parse_event(line);
    if (logged && logged->at.step <= step) kept.append(line).push_back('\n');
  });
  return kept;
}

}  // namespace rela
