// Matrix products of the emulated build: the CPU's kernels on emulated device memory.

#include <algorithm>

#include "kernels/cublas/matmul.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

LinearPass pass_of(MatmulLayout layout) {
  switch (layout) {
    case MatmulLayout::kNn:
      return LinearPass::kBackwardData;
    case MatmulLayout::kTn:
      return LinearPass::kBackwardWeights;
    case MatmulLayout::kNt:
      break;
  }
  return LinearPass::kForward;
}

/// The linear layer one of whose passes is this product.
LinearProblem problem_of(const MatmulCall& call) {
  LinearProblem p{.dims = {}, .dtype = call.in, .weight_dtype = call.in, .bias = call.bias};
  switch (call.layout) {
    case MatmulLayout::kNt:
      p.dims = {.n = call.m, .d = call.k, .k = call.n};
      break;
    case MatmulLayout::kNn:
      p.dims = {.n = call.m, .d = call.n, .k = call.k};
      break;
    case MatmulLayout::kTn:
      p.dims = {.n = call.k, .d = call.n, .k = call.m};
      break;
  }
  return p;
}

/// The CPU's linear layer takes its bias in f32: a widened copy lies at the front of the workspace.
size_t widened_bias_bytes(const MatmulCall& call) {
  if (call.bias == Bias::kAbsent || call.out == Dtype::kF32) return 0;
  return (static_cast<size_t>(call.n) * sizeof(float) + 63) / 64 * 64;
}

void run(const MatmulCall& call, const MatmulTensors& t, Workspace workspace) {
  const LinearProblem problem = problem_of(call);
  const size_t bias_bytes = widened_bias_bytes(call);
  const Workspace scratch{static_cast<std::byte*>(workspace.data) + bias_bytes,
                          workspace.bytes - bias_bytes};
  switch (call.layout) {
    case MatmulLayout::kNt: {
      const float* bias = static_cast<const float*>(t.bias);
      if (bias_bytes > 0) {
        const Bf16* narrow = static_cast<const Bf16*>(t.bias);
        float* wide = static_cast<float*>(workspace.data);
        std::transform(narrow, narrow + call.n, wide, [](Bf16 b) { return to_float(b); });
        bias = wide;
      }
      return linear_forward_cpu(problem, t.a, {t.b, bias}, t.c, scratch, Stream{});
    }
    case MatmulLayout::kNn:
      return linear_backward_data_cpu(problem, t.a, t.b, {t.c, call.mode}, scratch, Stream{});
    case MatmulLayout::kTn:
      return linear_backward_weights_cpu(problem, t.b, t.a, {t.c, call.mode}, scratch, Stream{});
  }
}

}  // namespace

size_t matmul_workspace_bytes(const MatmulCall& call) {
  return widened_bias_bytes(call) +
         linear_workspace_bytes_cpu(problem_of(call), pass_of(call.layout), call.mode);
}

void matmul(const MatmulCall& call, const MatmulTensors& tensors, Workspace workspace,
            Stream stream) {
  simt::host_task_async(stream, [=] { run(call, tensors, workspace); });
}

}  // namespace rela
