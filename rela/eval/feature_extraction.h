#pragma once

#include <functional>
#include <string>

#include "rela/data/dataset.h"
#include "rela/data/eval_loader.h"
#include "rela/eval/features.h"

namespace rela {

/// A frozen model: images [B, S, S, 3] -> features [B, D] f32 or bf16, on one device.
using EmbedFn = std::function<Tensor(const Tensor& images)>;
/// Called periodically with the number of images done so far; on cuda, given to the device.
using ExtractionProgress = std::function<void(int64_t done, int64_t total)>;

/// Features of a whole data set in order, f32, without augmentation. Images are loaded onto
/// options.device, the model's; the features stay where it puts them.
FeatureSet extract_features(const ImageDataset& dataset, const EvalOptions& options,
                            const EmbedFn& embed, const ExtractionProgress& progress = nullptr);

}  // namespace rela
