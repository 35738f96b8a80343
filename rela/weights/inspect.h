#pragma once
// What is in a file of weights.

#include <optional>
#include <string>

#include "runtime/io/json.h"

namespace rela {

/// All tensors of the file with their norms, the model they are of, and the images it takes:
///   {"path", "format", "tensors": [{"name", "dtype", "shape", "norm"}, ...], "parameters",
///    "layout", "model", "loaded", "missing", "unexpected", "mismatched", "input", ...}
/// "model" is null, and "problem" says why, where none is recognised. Norms of other than floating
/// types are null; one that is not finite is text. `prefix`: of the backbone, if it is not to be
/// found. Throws WeightsError, IoError.
JsonValue inspect_weights(const std::string& path, const std::optional<std::string>& prefix);

/// The same for people: what was recognised, and a table.
std::string inspection_text(const JsonValue& inspection);

}  // namespace rela
