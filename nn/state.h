#pragma once
// Weights in files: torchvision's names and layouts. Convolution weights are [K, R, S, C] in memory
// and [K, C, R, S] in files.

#include <span>
#include <string>
#include <vector>

#include "nn/module.h"
#include "nn/weight_names.h"
#include "runtime/io/safetensors.h"
#include "runtime/io/weights_file.h"

namespace rela {

/// One tensor of a model's state: a parameter or a buffer.
struct StateTensor {
  std::string name;
  Tensor value;  // shares the model's memory
  bool conv_weight = false;
};

/// Parameters and buffers of a module, names prefixed with "<prefix>." unless it is empty.
std::vector<StateTensor> state_of(const Module& module, std::string_view prefix = "");

/// The tensor as files have it, on the host: convolution weights [K, C, R, S].
Tensor tensor_in_file(const StateTensor& tensor);

/// Writes the tensors under their names. Equal states give equal bytes.
void save_state(const std::string& path, std::span<const StateTensor> state,
                const SafetensorsMetadata& metadata = {});

struct LoadOptions {
  std::string file_prefix = {};  // names in the file start with "<file_prefix>."
  /// Prefixes of extra names in the file to ignore, e.g. "fc.".
  std::vector<std::string> ignored_prefixes = {};
  WeightNames names = {};  // behind file_prefix; by default, those of the model
  /// A vision transformer's position embedding [1, rows, D] (nn/position_grid.h): that of another
  /// grid is resampled. Empty: there is none.
  std::string position = {};
  /// A class token without a row there: the row that the file may have is added to it. Empty: the
  /// class token has a row, or there is none.
  std::string class_token = {};
  bool allow_partial = false;  // what fits is loaded, the rest is told
};

/// How a file and a state fit: numbers of tensors, and what does not fit.
struct LoadReport {
  int64_t loaded = 0;
  int64_t missing = 0;  // counters are not counted
  int64_t unexpected = 0;
  int64_t mismatched = 0;  // of another shape or type
  std::string mistakes;    // each in a line, ten of a kind

  bool is_complete() const { return missing == 0 && unexpected == 0 && mismatched == 0; }
};

/// Compares names, shapes and types; reads nothing.
LoadReport compare_state(const WeightsFile& file, std::span<const StateTensor> state,
                         const LoadOptions& options = {});

/// Fills the tensors from a file. Strict: every tensor of `state` must be present with its shape
/// (under others' names, axes of 1 in front do not count), and nothing else may be. Throws
/// WeightsError that counts and lists (ten of each) missing, unexpected and mismatched names; then
/// nothing is changed. Counters that a file lacks are left unchanged. With allow_partial the rest
/// is left unchanged too, unless nothing fits.
LoadReport load_state(const WeightsFile& file, std::span<StateTensor> state,
                      const LoadOptions& options = {});

}  // namespace rela
