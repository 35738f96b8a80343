#pragma once
// The state of one run of a table, as read from its folder.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rela/experiments/plan.h"
#include "rela/run/events.h"

namespace rela {

/// Counts of correct predictions on the test images.
struct Score {
  int64_t correct = 0;
  int64_t total = 0;

  double top1() const { return static_cast<double>(correct) / static_cast<double>(total); }
};

struct CellResult {
  enum class State : uint8_t {
    kAbsent,      // nothing there yet
    kUnfinished,  // training has begun
    kTrained,     // all steps are done, an evaluation is missing or of other test images
    kDone,
    kFailed,
    kForeign,  // the folder holds a run of another config, on other images or of another prior
  };

  State state = State::kAbsent;
  std::string message;  // why it failed, what is foreign, or what is measured again
  int64_t step = 0;
  double seconds = 0;           // of training, including its evaluations
  std::optional<Score> knn;     // of the last step: from the run itself, or from `evaluate knn`
  std::optional<Score> linear;  // from `evaluate linear`
  std::optional<int64_t> switch_step;
  std::vector<Logged<EvalEvent>> curve;  // kNN during training, on the test images of the table
  std::vector<std::string> to_measure;   // protocols of `evaluate`, once it is trained
};

/// "absent", "unfinished", "trained", "done", "failed", "foreign"
const char* state_name(CellResult::State state);

/// Reads a cell's folder. Results of a foreign run are ignored. An evaluation counts if it was made
/// from the weights in the folder, on the test images that the table names. A cell whose files
/// cannot be read has failed.
CellResult read_cell(const Cell& cell, const std::vector<std::string>& evaluate);

/// Where the driver has the result of `evaluate <protocol>` written.
std::string result_file(const Cell& cell, const std::string& protocol);

}  // namespace rela
