#include "kernels/loss/softmax_cross_entropy.h"

#include <utility>

#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<SoftmaxCrossEntropyForwardFn> kForward{
    "softmax_cross_entropy", softmax_cross_entropy_forward_cpu,
    RELA_CUDA_KERNEL(softmax_cross_entropy_forward_cuda)};
const KernelTable<SoftmaxCrossEntropyBackwardFn> kBackward{
    "softmax_cross_entropy backward", softmax_cross_entropy_backward_cpu,
    RELA_CUDA_KERNEL(softmax_cross_entropy_backward_cuda)};

void check_labels(const Tensor& logits, const Tensor& labels) {
  const int64_t rows = labels.numel();
  const int64_t classes = logits.shape()[1];
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t label = labels.data<int64_t>()[row];
    RELA_CHECK(0 <= label && label < classes, DataError, "softmax_cross_entropy: label ", label,
               " in row ", row, "; logits ", describe(logits), " allow 0 to ", classes - 1,
               "; check the data set's labels or the number of classes");
  }
}

void check_inputs(const Tensor& logits, const Tensor& labels) {
  check_activation("softmax_cross_entropy", logits, "logits");
  RELA_CHECK(logits.shape().rank() == 2, ShapeError, "softmax_cross_entropy: logits are ",
             describe(logits), "; they must be [N, K]");
  const int64_t rows = logits.shape()[0];
  RELA_CHECK(labels.defined() && labels.dtype() == Dtype::kI64 && labels.shape() == Shape{rows},
             ShapeError, "softmax_cross_entropy: labels are ", describe(labels), " for logits ",
             describe(logits), "; i64 [", rows, "] is needed");
  check_same_device("softmax_cross_entropy", logits, "labels", labels);
  if (labels.device() == Device::kCpu) check_labels(logits, labels);
}

}  // namespace

Var softmax_cross_entropy(const Var& logits, const Tensor& labels) {
  const Tensor& x = logits.value();
  check_inputs(x, labels);
  const RowDims dims{x.shape()[0], x.shape()[1]};
  Tensor loss = Tensor::empty({}, Dtype::kF32, x.device());
  Tensor row_max = Tensor::empty({dims.rows}, Dtype::kF32, x.device());
  Tensor row_sum = Tensor::empty({dims.rows}, Dtype::kF32, x.device());
  const SoftmaxCrossEntropyArgs args{.logits = x.raw(),
                                     .labels = labels.ptr<int64_t>(),
                                     .loss = loss.ptr<float>(),
                                     .row_max = row_max.ptr<float>(),
                                     .row_sum = row_sum.ptr<float>()};
  Scratch scratch(softmax_cross_entropy_workspace_bytes(dims), x.device());
  kForward.launch(x.device(), args, dims, x.dtype(), scratch.workspace());
  return record("softmax_cross_entropy", std::move(loss), {logits},
                [x, labels, row_max, row_sum, dims](const Tensor& dy, GradSink& to) {
                  const SoftmaxCrossEntropyBackwardArgs args{.logits = x.raw(),
                                                             .labels = labels.ptr<int64_t>(),
                                                             .row_max = row_max.ptr<float>(),
                                                             .row_sum = row_sum.ptr<float>(),
                                                             .dloss = dy.ptr<float>(),
                                                             .dlogits = to.out(0)};
                  kBackward.launch(dy.device(), args, dims, x.dtype());
                });
}

}  // namespace rela
