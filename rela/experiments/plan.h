#pragma once
// A table spelt out: every run with its complete config and folder.

#include <cstdint>
#include <string>
#include <vector>

#include "rela/config/experiment_config.h"

namespace rela {

/// One run: a row of the results is the cells that share run and ratio.
struct Cell {
  std::string run;     // name in the table
  std::string name;    // "<run>-r<ratio>-s<seed>", also of its folder
  std::string folder;  // absolute
  ExperimentConfig config;
  int64_t total_steps = 0;

  double ratio() const { return config.data.ratio; }
  int64_t seed() const { return config.seed; }
};

struct Plan {
  std::string title;
  std::string note;
  std::string out;                    // absolute
  std::vector<std::string> evaluate;  // protocols, as the table has them
  std::vector<Cell> cells;            // in the table's order
};

struct PlanOptions {
  std::string table;  // file
  std::string out;    // folder of all runs
  /// "key.path=value" for every run, "name:key.path=value" for one; the last one wins. Relative
  /// paths start at the current folder.
  std::vector<std::string> overrides{};
};

/// Reads the table and the configs of all its runs. Runs whose targets are the same share a file in
/// `out` that keeps them. Throws ConfigError with one line per mistake, all mistakes of table, base
/// and rows at once; IoError, DataError for a base or data that cannot be read.
Plan make_plan(const PlanOptions& options);

/// "0.2", "1"
std::string ratio_text(double ratio);

}  // namespace rela
