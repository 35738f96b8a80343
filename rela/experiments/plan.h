#pragma once
// A table expanded: every run with its complete config and folder.

#include <cstdint>
#include <string>
#include <vector>

#include "rela/config/experiment_config.h"

namespace rela {

/// One run: a row of the results consists of the cells that share run and ratio.
struct Cell {
  std::string run;     // name in the table
  std::string name;    // "<run>-r<ratio>-s<seed>", also the name of its folder
  std::string folder;  // absolute
  ExperimentConfig config;
  int64_t total_steps = 0;  // 0: the cell is not selected, and its data cannot be read
  std::string data{};       // fingerprint of its training images; empty: likewise
  int64_t images = 0;       // how many
  std::string
      test_data{};  // of its test images, "none" without; empty: nothing is measured on them

  /// Fingerprint of the targets that its prior gives now; empty if that does not matter: there is
  /// no earlier run to compare with, or targets_now() knows none.
  std::string targets{};

  double ratio() const { return config.data.ratio; }
  int64_t seed() const { return config.seed; }
};

struct Plan {
  std::string title;
  std::string note;
  std::string out;                    // absolute
  std::vector<std::string> evaluate;  // protocols, as in the table
  std::vector<Cell> cells;            // in the table's order
};

struct PlanOptions {
  std::string table;  // file
  std::string out;    // folder of all runs
  /// "key.path=value" for every run, "name:key.path=value" for one; the last one wins. Relative
  /// paths start at the current folder.
  std::vector<std::string> overrides{};
  /// Runs and cells whose data have to be there; empty: all.
  std::vector<std::string> only{};
};

/// Whether `only` names the cell or its run, or nothing at all.
bool is_selected(const Cell& cell, const std::vector<std::string>& only);

/// Reads the table and the configs of all its runs. Runs with the same targets share a file of them
/// in `out`. Throws ConfigError with one line per mistake, all mistakes of table, base and rows at
/// once; IoError or DataError if the base or data cannot be read.
Plan make_plan(const PlanOptions& options);

/// "0.2", "1"
std::string ratio_text(double ratio);

}  // namespace rela
