#pragma once
// Tensors of a model from what a file keeps of them (nn/weight_names.h).

#include <optional>
#include <vector>

#include "nn/weight_names.h"
#include "runtime/io/weights_file.h"

namespace rela {

/// The shape of the whole; none if a part is missing, or the parts do not fit on each other.
std::optional<Shape> stored_shape(const WeightsFile& file, const StoredTensor& stored);

/// Its elements; empty if nothing is stored. Needs a stored_shape().
std::vector<float> read_stored(const WeightsFile& file, const StoredTensor& stored);

/// [1, 1, D] and [D] are the same but for that.
Shape without_leading_ones(const Shape& shape);

}  // namespace rela
