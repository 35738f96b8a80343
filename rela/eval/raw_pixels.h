#pragma once

#include <cstdint>

#include "rela/data/dataset.h"
#include "rela/eval/features.h"

namespace rela {

/// The pixels themselves as features [N, side * side * 3], normalised as a model would see them
/// (EvalLoader's defaults): what any trained model must beat. `limit` > 0 takes only the first
/// images.
FeatureSet raw_pixel_features(const ImageDataset& dataset, int64_t side, int64_t limit = 0);

}  // namespace rela
