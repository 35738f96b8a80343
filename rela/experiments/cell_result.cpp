#include "rela/experiments/cell_result.h"

#include <algorithm>
#include <filesystem>

#include "rela/run/run_folder.h"
#include "rela/train/training_state.h"
#include "runtime/io/config_table.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

using State = CellResult::State;

/// Null if the file is absent, or incomplete because its writer was killed.
JsonValue read_json(const fs::path& path) {
  if (!fs::exists(path)) return {};
  try {
    return parse_json(read_file(path.string()));
  } catch (const JsonError&) {
    return {};
  }
}

/// The file that `evaluate` writes.
const char* result_file(const std::string& protocol) {
  return protocol == "linear" ? "linear_rela.json" : "knn.json";
}

std::optional<Score> read_score(const Cell& cell, const std::string& protocol) {
  const fs::path weights = fs::path(cell.folder) / "exported" / "backbone.safetensors";
  const JsonValue json = read_json(fs::path(cell.folder) / "eval" / result_file(protocol));
  const Score score{member_or<int64_t>(json, "correct"), member_or<int64_t>(json, "total")};
  if (score.total <= 0 || !fs::exists(weights)) return std::nullopt;
  if (member_or<std::string>(json, "weights_sha256") != sha256_file(weights.string()))
    return std::nullopt;
  return score;
}

/// The differences between the config that the folder was made with and the cell's.
std::string differences(const Cell& cell) {
  const JsonValue before = read_json(fs::path(cell.folder) / "config.resolved.json");
  if (before.is_null()) return "";
  const JsonValue now = parse_json(to_resolved_json(cell.config));
  std::string text = config_differences(before, now);
  for (const char* key :
       {"eval.knn_every_epochs", "eval.knn_k", "eval.knn_temperature", "eval.knn_train_images"}) {
    const JsonValue* a = value_at(before, key);
    const JsonValue* b = value_at(now, key);
    const auto shown = [](const JsonValue* value) {
      return value == nullptr ? std::string("null") : to_json_text(*value, JsonLayout::kCompact);
    };
    if (shown(a) != shown(b))
      text += cat("\n  ", key, ": ", shown(a), " before, ", shown(b), " now");
  }
  return text;
}

void read_log(const Cell& cell, CellResult& result) {
  const RunLog log = read_run_log((fs::path(cell.folder) / "metrics.jsonl").string());
  for (const EvalPoint& point : log.evals) {
    if (point.protocol == "knn" && point.total > 0) result.curve.push_back(point);
  }
  for (const RunMark& mark : log.marks) {
    if (mark.event == "phase_switch") result.switch_step = mark.step;
    result.seconds = std::max(result.seconds, mark.elapsed_s);
  }
  if (!log.train.empty()) result.seconds = std::max(result.seconds, log.train.back().elapsed_s);
}

}  // namespace

const char* state_name(State state) {
  switch (state) {
    case State::kAbsent:
      return "absent";
    case State::kUnfinished:
      return "unfinished";
    case State::kTrained:
      return "trained";
    case State::kDone:
      return "done";
    case State::kFailed:
      return "failed";
    case State::kForeign:
      return "foreign";
  }
  return "?";
}

bool is_evaluated(const Cell& cell, const std::string& protocol) {
  return read_score(cell, protocol).has_value();
}

CellResult read_cell(const Cell& cell, const std::vector<std::string>& evaluate) {
  CellResult result;
  const JsonValue status = read_json(fs::path(cell.folder) / "status.json");
  if (const std::string other = differences(cell); !other.empty()) {
    result.state = State::kForeign;
    result.message = cat(cell.folder,
                         " holds a run of another config; remove it or name another "
                         "--out; these keys differ:",
                         other);
    return result;
  }
  if (status.is_null()) return result;
  read_log(cell, result);
  result.step = member_or<int64_t>(status, "step");
  const std::string state = member_or<std::string>(status, "state");
  result.state = state == "failed" ? State::kFailed : State::kUnfinished;
  if (state == "failed") result.message = member_or<std::string>(status, "message");
  if (state != "finished" || result.step < cell.total_steps) return result;
  if (result.step > cell.total_steps) {
    result.state = State::kForeign;
    result.message =
        cat(cell.folder, " holds a run of ", result.step, " steps, the table asks for ",
            cell.total_steps, "; remove it or name another --out");
    return result;
  }
  const auto lacks = [&](const std::string& protocol) { return !is_evaluated(cell, protocol); };
  const bool is_whole = std::none_of(evaluate.begin(), evaluate.end(), lacks);
  result.state = is_whole ? State::kDone : State::kTrained;
  if (!result.curve.empty() && result.curve.back().step == result.step) {
    result.knn = Score{result.curve.back().correct, result.curve.back().total};
  }
  if (const std::optional<Score> score = read_score(cell, "knn")) result.knn = score;
  result.linear = read_score(cell, "linear");
  return result;
}

}  // namespace rela
