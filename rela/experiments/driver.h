#pragma once

#include <string>
#include <vector>

#include "rela/experiments/plan.h"
#include "runtime/error.h"

namespace rela {

struct DriverOptions {
  std::string programs;             // folder of train_byol and evaluate
  std::vector<std::string> only{};  // names of runs or cells; none: all
  bool quiet = false;               // train_byol prints only warnings and errors
};

/// Trains and evaluates what is not done yet, one cell after the other, each in its folder with
/// `--resume auto`, and writes the results after each. A cell that fails is reported and the others
/// continue. Signals are forwarded to the running program.
///
/// Of a prior that is trained here, the plan's cells take the targets that it gives then. Results
/// of which nothing is left to tell, because all cells are foreign, are not replaced.
///
/// kDone when every selected cell is done, kInternal when one failed, kStoppedBySignal after INT,
/// TERM or USR1: the same call continues from there. Throws UsageError when another process works
/// in the folder, IoError.
ExitCode run_experiment(Plan& plan, const DriverOptions& options);

}  // namespace rela
