#include "rela/experiments/cell_result.h"

#include <algorithm>
#include <filesystem>

#include "rela/experiments/learned_targets.h"
#include "rela/run/checkpoint_store.h"
#include "rela/run/run_log.h"
#include "rela/run/status.h"
#include "rela/train/training_state.h"
#include "runtime/io/config_table.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"
#include "runtime/io/safetensors.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

using State = CellResult::State;

/// Null if the file is absent, or incomplete because its writer was killed.
JsonValue read_json(const fs::path& path) {
  if (!fs::exists(path)) return {};
  try {
    return parse_json(read_text_file(path.string()));
  } catch (const JsonError&) {
    return {};
  }
}

fs::path weights_of(const Cell& cell) {
  return fs::path(cell.folder) / "exported" / "backbone.safetensors";
}

bool has_weights(const Cell& cell) {
  try {
    const SafetensorsReader file(weights_of(cell).string());
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// What was found of an evaluation.
struct Found {
  std::optional<Score> score;
  bool is_of_others = false;  // it measured other test images, and does not count
};

Found read_score(const Cell& cell, const std::string& protocol) {
  const fs::path weights = weights_of(cell);
  const JsonValue json = read_json(result_file(cell, protocol));
  const Score score{member_or<int64_t>(json, "correct"), member_or<int64_t>(json, "total")};
  if (score.total <= 0 || !fs::exists(weights)) return {};
  if (member_or<std::string>(json, "weights_sha256") != sha256_file(weights.string())) return {};
  const JsonValue* data = json.find("data");
  const auto measured =
      data == nullptr ? std::string() : member_or<std::string>(*data, "test_fingerprint");
  if (!cell.test_data.empty() && measured != cell.test_data) return {{}, true};
  return {score, false};
}

/// The differences between the config that the folder was made with and the cell's. A prior may lie
/// elsewhere where the targets tell that it is the same.
std::string differences(const Cell& cell, bool targets_tell) {
  const JsonValue before = read_json(fs::path(cell.folder) / "config.resolved.json");
  if (before.is_null()) return "";
  const JsonValue now = parse_json(to_resolved_json(cell.config));
  std::string text = config_differences(before, now);
  std::vector<const char*> keys{"eval.knn_every_epochs", "eval.knn_k", "eval.knn_temperature",
                                "eval.knn_train_images"};
  if (!targets_tell) keys.push_back("rela.prior.weights");
  for (const char* key : keys) {
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

/// The fingerprint of the images that the cell's latest checkpoint was trained on; empty if it does
/// not say.
std::string trained_on(const Cell& cell) {
  const fs::path checkpoint = latest_checkpoint(checkpoints_of(cell.folder));
  if (checkpoint.empty()) return "";
  const JsonValue state = read_json(checkpoint / "state.json");
  const JsonValue* data = state.find("data");
  return data == nullptr ? "" : member_or<std::string>(*data, "fingerprint");
}

/// The step of the last kNN, if that measured other test images than the table's; otherwise -1.
int64_t read_log(const Cell& cell, const RunLog& log, CellResult& result) {
  int64_t of_others = -1;
  for (const Logged<EvalEvent>& point : log.evals) {
    if (point.event.protocol != "knn" || point.event.total <= 0) continue;
    const std::string measured = point.event.test_fingerprint.value_or(cell.test_data);
    const bool counts = cell.test_data.empty() || measured == cell.test_data;
    if (counts) result.curve.push_back(point);
    of_others = counts ? -1 : point.at.step;
  }
  for (const auto& [at, event] : log.marks) {
    if (std::holds_alternative<PhaseSwitchEvent>(event)) result.switch_step = at.step;
    result.seconds = std::max(result.seconds, at.elapsed_s);
  }
  if (!log.train.empty()) result.seconds = std::max(result.seconds, log.train.back().at.elapsed_s);
  return of_others;
}

/// The scores of a trained cell, and what is still to be measured.
void read_scores(const Cell& cell, const std::vector<std::string>& evaluate, bool knn_is_of_others,
                 CellResult& result) {
  if (!result.curve.empty() && result.curve.back().at.step == result.step)
    result.knn = Score{result.curve.back().event.correct, result.curve.back().event.total};
  const Found knn = read_score(cell, "knn");
  const Found linear = read_score(cell, "linear");
  if (knn.score) result.knn = knn.score;
  result.linear = linear.score;
  result.to_measure = evaluate;
  // The training has measured it, on other images: the table has a column for it all the same.
  if (knn_is_of_others && std::ranges::find(evaluate, "knn") == evaluate.end())
    result.to_measure.emplace_back("knn");
  std::erase_if(result.to_measure, [&](const std::string& protocol) {
    return (protocol == "knn" ? knn : linear).score.has_value();
  });
  std::string again;
  for (const std::string& protocol : result.to_measure) {
    const bool is_knn = protocol == "knn";
    if (is_knn ? knn.is_of_others || knn_is_of_others : linear.is_of_others)
      again += cat(again.empty() ? "" : " and ", is_knn ? "kNN" : protocol);
  }
  if (!again.empty())
    result.message = cat("measured on other test images, and so measured again: ", again);
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

std::string result_file(const Cell& cell, const std::string& protocol) {
  const char* name = protocol == "linear" ? "linear_rela.json" : "knn.json";
  return (fs::path(cell.folder) / "eval" / name).string();
}

namespace {

CellResult read_files(const Cell& cell, const std::vector<std::string>& evaluate) {
  CellResult result;
  const std::optional<RunStatus> status = read_status(cell.folder);
  const RunLog log = read_run_log((fs::path(cell.folder) / "metrics.jsonl").string());
  const std::string learned = learned_targets(log);
  const bool targets_tell = !learned.empty() && !cell.targets.empty();
  if (const std::string other = differences(cell, targets_tell); !other.empty()) {
    result.state = State::kForeign;
    result.message = cat(cell.folder,
                         " holds a run of another config; remove it or name another "
                         "--out; these keys differ:",
                         other);
    return result;
  }
  if (!status) return result;
  const std::string data = trained_on(cell);
  if (!data.empty() && !cell.data.empty() && data != cell.data) {
    result.state = State::kForeign;
    result.message = cat(cell.folder, " holds a run on other training images (fingerprint ", data,
                         ", now ", cell.data, "); remove it or name another --out");
    return result;
  }
  if (targets_tell && learned != cell.targets) {
    result.state = State::kForeign;
    result.message =
        cat(cell.folder, " holds a run that has learned the targets ", learned, ", and the prior ",
            cell.config.rela.prior.weights, " now gives ", cell.targets,
            ": its weights are others; restore them, remove the folder or name another --out");
    return result;
  }
  const int64_t of_others = read_log(cell, log, result);
  result.step = status->step;
  const bool has_failed = status->state == RunStatus::kFailed;
  result.state = has_failed ? State::kFailed : State::kUnfinished;
  if (has_failed) result.message = status->message;
  if (status->state != RunStatus::kFinished || result.step < cell.total_steps) return result;
  if (cell.total_steps > 0 && result.step > cell.total_steps) {
    result.state = State::kForeign;
    result.message =
        cat(cell.folder, " holds a run of ", result.step, " steps, the table asks for ",
            cell.total_steps, "; remove it or name another --out");
    return result;
  }
  if (!has_weights(cell)) return result;  // resuming exports them again
  read_scores(cell, evaluate, of_others == result.step, result);
  result.state = result.to_measure.empty() ? State::kDone : State::kTrained;
  return result;
}

}  // namespace

CellResult read_cell(const Cell& cell, const std::vector<std::string>& evaluate) {
  try {
    return read_files(cell, evaluate);
  } catch (const IoError& e) {  // the others go on
    CellResult result;
    result.state = State::kFailed;
    result.message = e.what();
    return result;
  }
}

}  // namespace rela
