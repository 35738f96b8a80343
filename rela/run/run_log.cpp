#include "rela/run/run_log.h"

#include <filesystem>
#include <optional>

#include "runtime/io/file.h"
#include "runtime/io/json.h"

namespace rela {
namespace {

double number(const JsonValue& event, const char* key) {
  const JsonValue* value = event.find(key);
  if (value == nullptr) return kMissing;
  if (const double* x = value->as<double>()) return *x;
  if (const int64_t* x = value->as<int64_t>()) return static_cast<double>(*x);
  if (const uint64_t* x = value->as<uint64_t>()) return static_cast<double>(*x);
  if (const std::string* text = value->as<std::string>()) {
    if (*text == "inf") return std::numeric_limits<double>::infinity();
    if (*text == "-inf") return -std::numeric_limits<double>::infinity();
  }
  return kMissing;
}

int64_t integer(const JsonValue& event, const char* key) { return member_or<int64_t>(event, key); }
std::string text(const JsonValue& event, const char* key) {
  return member_or<std::string>(event, key);
}

/// The line as an event: an object with an "event" that is text and a "step" that is an integer.
std::optional<JsonValue> parse_event(std::string_view line) {
  try {
    JsonValue event = parse_json(line);
    const JsonValue* name = event.find("event");
    const JsonValue* step = event.find("step");
    if (name == nullptr || name->as<std::string>() == nullptr) return std::nullopt;
    if (step == nullptr || step->as<int64_t>() == nullptr) return std::nullopt;
    return event;
  } catch (const JsonError&) {
    return std::nullopt;
  }
}

TrainPoint train_point(const JsonValue& e) {
  return {.step = integer(e, "step"),
          .epoch = number(e, "epoch"),
          .elapsed_s = number(e, "elapsed_s"),
          .phase = text(e, "phase"),
          .loss = number(e, "loss"),
          .lr = number(e, "lr"),
          .tau = number(e, "tau"),
          .grad_norm = number(e, "grad_norm"),
          .feature_std = number(e, "feature_std"),
          .img_per_s = number(e, "img_per_s"),
          .iter_ms = number(e, "iter_ms"),
          .data_wait = number(e, "data_wait")};
}

EvalPoint eval_point(const JsonValue& e) {
  return {.step = integer(e, "step"),
          .epoch = number(e, "epoch"),
          .protocol = text(e, "protocol"),
          .top1 = number(e, "top1"),
          .correct = integer(e, "correct"),
          .total = integer(e, "total")};
}

RunMark run_mark(const JsonValue& e) {
  RunMark mark{.event = text(e, "event"),
               .step = integer(e, "step"),
               .epoch = number(e, "epoch"),
               .elapsed_s = number(e, "elapsed_s"),
               .text = ""};
  for (const char* key : {"message", "reason", "to"}) {
    if (mark.text.empty()) mark.text = text(e, key);
  }
  return mark;
}

void add_event(const JsonValue& event, RunLog& log) {
  const std::string name = text(event, "event");
  if (name == "train") {
    log.train.push_back(train_point(event));
  } else if (name == "eval") {
    log.evals.push_back(eval_point(event));
  } else {
    log.marks.push_back(run_mark(event));
    if (const int64_t dim = integer(event, "feature_dim"); dim > 0) log.feature_dim = dim;
  }
}

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
    if (const std::optional<JsonValue> event = parse_event(line)) {
      add_event(*event, log);
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
    const std::optional<JsonValue> event = parse_event(line);
    if (event && integer(*event, "step") <= step) kept.append(line).push_back('\n');
  });
  return kept;
}

}  // namespace rela
