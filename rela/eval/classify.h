#pragma once

#include "rela/data/dataset.h"
#include "rela/eval/feature_extraction.h"
#include "rela/eval/result.h"
#include "rela/prior/model_source.h"

namespace rela {

/// How often the label has the largest logit, and how often it is among the five largest; of equal
/// logits the class of the lower number comes first. Adds to the result's counts.
///   logits [B, K] f32, labels [B] i64
void count_correct(const Tensor& logits, const Tensor& labels, EvalResult& result);

/// A classifier's answers on a data set in its order, f32, protocol "classify". Images are loaded
/// onto options.device, the model's; answers are counted on the host. Throws DataError
/// when model and data set differ in their number of classes, NonFiniteError for a logit that is
/// NaN.
EvalResult classify(LoadedClassifier& classifier, const ImageDataset& dataset,
                    const EvalOptions& options, const ExtractionProgress& progress = nullptr);

}  // namespace rela
