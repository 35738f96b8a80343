#pragma once

#include "kernels/types.h"

namespace rela {

struct SoftmaxCrossEntropyArgs {
  const void* logits = nullptr;     // [rows, cols]
  const int64_t* labels = nullptr;  // [rows], each in [0, cols)
  float* loss = nullptr;            // out: scalar
  float* row_max = nullptr;         // out [rows]: for the backward pass
  float* row_sum = nullptr;         // out [rows]: sum of exp(logit - row_max)
};
/// loss = mean over rows of log(sum_k exp(logits[k])) - logits[label], after subtracting the row's
/// maximum. Rows in f32, their mean in f64 in fixed order. Deterministic. No rows: loss is 0. On a
/// GPU, where labels are not checked beforehand, one out of range makes the loss NaN.
using SoftmaxCrossEntropyForwardFn = void(const SoftmaxCrossEntropyArgs& args, RowDims dims,
                                          Dtype dtype, Workspace workspace, Stream stream);
SoftmaxCrossEntropyForwardFn softmax_cross_entropy_forward_cpu;
SoftmaxCrossEntropyForwardFn softmax_cross_entropy_forward_cuda;

/// Bytes of workspace of the forward pass, on each device.
constexpr size_t softmax_cross_entropy_workspace_bytes(RowDims dims) {
  return static_cast<size_t>(dims.rows) * sizeof(double);
}

struct SoftmaxCrossEntropyBackwardArgs {
  const void* logits = nullptr;     // [rows, cols], as in the forward pass
  const int64_t* labels = nullptr;  // [rows]
  const float* row_max = nullptr;   // [rows]
  const float* row_sum = nullptr;   // [rows]
  const float* dloss = nullptr;     // scalar
  GradOut dlogits{};                // like logits; must not alias them
};
/// dlogits[r, k] = dloss / rows (softmax(logits[r])[k] - [k == label]).
using SoftmaxCrossEntropyBackwardFn = void(const SoftmaxCrossEntropyBackwardArgs& args,
                                           RowDims dims, Dtype dtype, Stream stream);
SoftmaxCrossEntropyBackwardFn softmax_cross_entropy_backward_cpu;
SoftmaxCrossEntropyBackwardFn softmax_cross_entropy_backward_cuda;

}  // namespace rela
