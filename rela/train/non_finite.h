#pragma once

#include <functional>
#include <span>
#include <string>

#include "rela/train/trained_part.h"

namespace rela {

/// Diagnoses a non-finite loss or gradient: names the first affected tensor in the order of
/// computation: the batch, the weights of parts and their averages, the results of the operations
/// of a repeated forward pass. Empty if all of those are finite.
///   "parameter backbone.layer1.0.conv1.weight f32 [16, 3, 3, 16]: 3 of 2304 values are not finite"
/// `forward` repeats the pass.
std::string first_non_finite(std::span<const TrainedPart> parts, const Tensor& images,
                             const std::function<void()>& forward);

/// The first parameter whose gradient is not finite; empty when there is none.
std::string first_non_finite_gradient(const ParameterArena& arena);

}  // namespace rela
