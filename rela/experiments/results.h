#pragma once
// Results of a table's runs so far: numbers per row, as JSON, as a Markdown table and as a plot.

#include <string>
#include <vector>

#include "rela/experiments/cell_result.h"
#include "runtime/io/json.h"

namespace rela {

/// A quantity over the seeds of a row.
struct Spread {
  std::vector<double> values{};

  double mean() const;
  /// Sample standard deviation (n - 1); 0 for fewer than two values.
  double deviation() const;
};

/// The cells that share run and ratio.
struct ResultRow {
  std::string run;
  std::string method;
  std::string prior{};  // "resnet56_cifar", "random"; empty without a ReLA phase
  std::string map{};    // "fixed", "trained"; empty without a ReLA phase
  double ratio = 1;
  std::vector<int64_t> seeds{};
  int64_t done = 0;  // cells
  int64_t steps = 0;
  int64_t images = 0;  // images seen over all steps
  Spread knn{};        // top-1 in percent, for the cells that are done
  Spread linear{};
  Spread seconds{};
  std::vector<int64_t> switch_steps{};  // for the cells that switched
};

/// One result per cell of the plan.
std::vector<ResultRow> result_rows(const Plan& plan, const std::vector<CellResult>& results);

/// { "title", "note", "rows": [...], "cells": [...] }
JsonValue results_json(const Plan& plan, const std::vector<CellResult>& results);
std::string results_markdown(const Plan& plan, const std::vector<CellResult>& results);

/// Writes results.json, results.md and accuracy.svg into the plan's folder. Throws IoError.
void write_results(const Plan& plan, const std::vector<CellResult>& results);

}  // namespace rela
