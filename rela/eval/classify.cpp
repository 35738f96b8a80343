#include "rela/eval/classify.h"

#include "runtime/error.h"
#include "runtime/ops/statistics.h"

namespace rela {

void count_correct(const Tensor& logits, const Tensor& labels, EvalResult& result) {
  constexpr int64_t kTop = 5;
  const int64_t classes = logits.shape().back();
  int64_t top5 = result.top5_correct.value_or(0);
  for (int64_t i = 0; i < labels.numel(); ++i) {
    const float* row = logits.data<float>() + i * classes;  // [K]
    const int64_t label = labels.data<int64_t>()[i];
    int64_t before = 0;  // classes that rank above the label
    for (int64_t k = 0; k < classes; ++k) {
      before += row[k] > row[label] || (row[k] == row[label] && k < label) ? 1 : 0;
    }
    result.correct += before == 0 ? 1 : 0;
    top5 += before < kTop ? 1 : 0;
  }
  result.top5_correct = top5;
  result.total += labels.numel();
}

EvalResult classify(LoadedClassifier& classifier, const ImageDataset& dataset,
                    const EvalOptions& options, const ExtractionProgress& progress) {
  RELA_CHECK(dataset.num_classes() == classifier.num_classes, DataError,
             "classify: the data set has ", dataset.num_classes(), " classes and the model ",
             classifier.num_classes, "; name the data that the model was trained for");
  EvalResult result;
  result.protocol = "classify";
  result.top5_correct = 0;
  const NoGradGuard no_grad;
  EvalLoader loader(dataset, options);
  while (const EvalBatch* batch = loader.next()) {
    const Tensor padded =
        classifier.model->forward(Var(batch->images), {.norm = NormMode::kEval}).value();
    loader.prefetch();
    const Tensor logits = padded.slice(0, batch->size()).to(Device::kCpu);
    RELA_CHECK(count_nonfinite(logits) == 0, NonFiniteError, "classify: a logit of images ",
               batch->begin, " to ", batch->begin + batch->size() - 1,
               " is NaN or infinite; check the weights");
    count_correct(logits, batch->labels, result);
    if (progress) progress(batch->begin + batch->size(), dataset.size());
  }
  return result;
}

}  // namespace rela
