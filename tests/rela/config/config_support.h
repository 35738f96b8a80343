#pragma once

#include <string>
#include <vector>

#include "rela/config/experiment_config.h"
#include "runtime/error.h"
#include "tests/support/temp_dir.h"

namespace rela::test {

/// A config file with what every run needs, plus these members.
inline std::string small_config(const std::string& more = "") {
  return R"({"method": "byol", "epochs": 5, "data": {"format": "synthetic"})" +
         (more.empty() ? "" : ", " + more) + "}";
}

/// Loads a config with this text from a separate folder.
inline ExperimentConfig load_text(const std::string& text,
                                  const std::vector<std::string>& overrides = {}) {
  const TempDir dir;
  return load_config(dir.write("run.json", text), overrides);
}

/// The error message of load_config for this text.
inline std::string mistakes_of(const std::string& text,
                               const std::vector<std::string>& overrides = {}) {
  try {
    load_text(text, overrides);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace rela::test
