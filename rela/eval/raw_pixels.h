#pragma once

#include <cstdint>

#include "rela/data/dataset.h"
#include "rela/eval/features.h"

namespace rela {

/// The side at which raw pixels are compared: the smaller one of the first image as it is stored.
int64_t stored_side(const ImageDataset& dataset);

/// The pixels themselves as features [N, side * side * 3], on `device`, normalised as a model would
/// see them (EvalLoader's defaults): what any trained model must beat.
FeatureSet raw_pixel_features(const ImageDataset& dataset, int64_t side,
                              Device device = Device::kCpu);

}  // namespace rela
