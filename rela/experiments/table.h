#pragma once
// A table of runs to compare: one base config, and rows that change some of its keys for several
// ratios and seeds.
//
//   { "base": "../configs/cifar10-byol-cpu.json",
//     "runs": [ { "name": "byol", "ratios": [0.2, 1], "seeds": [1, 2, 3] },
//               { "name": "rela", "set": { "method": "rela_byol" }, "ratios": [0.2], "seeds": [1] }
//               ],
//     "evaluate": ["linear"] }

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/io/config_table.h"

namespace rela {

/// A config: in a separate file, or inside the table.
struct BaseConfig {
  std::string path;      // absolute; empty: the config is in the table
  JsonValue in_table{};  // an object; null if there is a path
};

/// Runs that differ only in ratio and seed.
struct RunSpec {
  std::string name;
  JsonValue::Object set;       // dotted keys and their values
  std::vector<double> ratios;  // data.ratio of its runs; none: as in the config
  std::vector<int64_t> seeds;  // none: as in the config
};

struct ExperimentTable {
  int64_t schema_version = 1;
  std::string title = "Experiment";
  std::string note;  // what readers of the numbers need to know
  BaseConfig base;
  JsonValue::Object set;  // for all runs
  std::vector<RunSpec> runs;
  std::vector<std::string> evaluate;  // protocols of `evaluate`: knn, linear
};

/// Protocols that a table may name.
const std::vector<std::string>& table_protocols();

/// Whether a word may name a run, and with it a folder: letters, digits, dots, dashes, underscores.
bool is_run_name(const std::string& word);

void describe(ConfigTable& table, RunSpec& run);
void describe(ConfigTable& table, ExperimentTable& experiment);

/// Markdown table of every key of a table file.
std::string table_markdown();

}  // namespace rela
