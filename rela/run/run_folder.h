#pragma once
// What a run has left in its folder so far, for the report.

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "rela/run/run_log.h"
#include "rela/run/status.h"

namespace rela {

/// A JSON file as a flat list: "optimizer.lr" -> "0.001".
using FlatJson = std::vector<std::pair<std::string, std::string>>;

struct RunFolder {
  std::string name;  // of the folder
  RunLog log;
  FlatJson config;                    // config.resolved.json
  FlatJson environment;               // env.json
  FlatJson status_table;              // status.json
  RunStatus status;                   // the same; its state is "" if there is none
  std::vector<std::string> problems;  // files that are there but not readable as JSON
};

/// Missing files are empty. Throws IoError for files that cannot be read.
RunFolder read_run_folder(const std::filesystem::path& out_dir);

/// The text at a key, or "".
std::string value_at(const FlatJson& json, std::string_view key);
/// The integer at a key, or `otherwise`.
int64_t integer_at(const FlatJson& json, std::string_view key, int64_t otherwise);

}  // namespace rela
