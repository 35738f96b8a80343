// Adapts a linear layer to the library: weights and bias are converted to the type of the
// activations before the call. The weight gradient comes out in f32.

#include "kernels/elementwise/cast.h"
#include "kernels/libraries/cublas/matmul.h"
#include "kernels/matmul/linear.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

MatmulCall call_of(const LinearProblem& p, LinearPass pass, Write mode) {
  const LinearDims& d = p.dims;
  MatmulCall call{.in = p.dtype, .out = p.dtype, .mode = mode, .f32_math = p.f32_math};
  switch (pass) {
    case LinearPass::kForward:
      call.m = d.n, call.n = d.k, call.k = d.d;
      call.layout = MatmulLayout::kNt;
      call.bias = p.bias;
      break;
    case LinearPass::kBackwardData:
      call.m = d.n, call.n = d.d, call.k = d.k;
      call.layout = MatmulLayout::kNn;
      break;
    case LinearPass::kBackwardWeights:
      call.m = d.k, call.n = d.d, call.k = d.n;
      call.layout = MatmulLayout::kTn;
      call.out = Dtype::kF32;
      break;
    case LinearPass::kBackwardBias:
      break;  // no product
  }
  return call;
}

size_t rounded_up(int64_t count, Dtype dtype) {
  return (static_cast<size_t>(count) * dtype_bytes(dtype) + 255) / 256 * 256;
}
/// Bytes in front of the library's workspace: first the weights, then the bias, in the type of the
/// activations.
size_t weight_bytes(const LinearProblem& p, LinearPass pass) {
  const bool fits = pass == LinearPass::kBackwardWeights || p.weight_dtype == p.dtype;
  return fits ? 0 : rounded_up(p.dims.k * p.dims.d, p.dtype);
}
size_t bias_bytes(const LinearProblem& p, LinearPass pass) {
  const bool fits =
      pass != LinearPass::kForward || p.bias == Bias::kAbsent || p.dtype == Dtype::kF32;
  return fits ? 0 : rounded_up(p.dims.k, p.dtype);
}

Workspace behind(Workspace workspace, size_t bytes) {
  return {static_cast<std::byte*>(workspace.data) + bytes, workspace.bytes - bytes};
}

/// `count` numbers in the type of the activations: as given, or a copy in the workspace.
const void* matching(const void* given, Dtype from, int64_t count, const LinearProblem& p,
                     void* copy, Stream stream) {
  if (given == nullptr || from == p.dtype) return given;
  cast_cuda({.x = given, .from = from, .y = copy, .to = p.dtype}, count, stream);
  return copy;
}

}  // namespace

size_t linear_workspace_bytes_cuda(const LinearProblem& problem, LinearPass pass, Write mode) {
  if (problem.dims.n == 0) return 0;
  if (pass == LinearPass::kBackwardBias) return linear_bias_workspace_bytes_cuda(problem.dims);
  return weight_bytes(problem, pass) + bias_bytes(problem, pass) +
         matmul_workspace_bytes(call_of(problem, pass, mode));
}

void linear_forward_cuda(const LinearProblem& problem, const void* x, LinearWeights weights,
                         void* y, Workspace workspace, Stream stream) {
  if (problem.dims.n == 0) return;
  constexpr auto kPass = LinearPass::kForward;
  const LinearDims& d = problem.dims;
  const Workspace bias_copy = behind(workspace, weight_bytes(problem, kPass));
  const void* w =
      matching(weights.w, problem.weight_dtype, d.k * d.d, problem, workspace.data, stream);
  const void* b = problem.bias == Bias::kAbsent
                      ? nullptr
                      : matching(weights.b, Dtype::kF32, d.k, problem, bias_copy.data, stream);
  matmul(call_of(problem, kPass, Write::kOverwrite), {.a = x, .b = w, .bias = b, .c = y},
         behind(bias_copy, bias_bytes(problem, kPass)), stream);
}

void linear_backward_data_cuda(const LinearProblem& problem, const void* dy, const void* w,
                               GradOut dx, Workspace workspace, Stream stream) {
  if (problem.dims.n == 0) return;
  constexpr auto kPass = LinearPass::kBackwardData;
  const LinearDims& d = problem.dims;
  const void* weights =
      matching(w, problem.weight_dtype, d.k * d.d, problem, workspace.data, stream);
  matmul(call_of(problem, kPass, dx.mode), {.a = dy, .b = weights, .c = dx.data},
         behind(workspace, weight_bytes(problem, kPass)), stream);
}

void linear_backward_weights_cuda(const LinearProblem& problem, const void* x, const void* dy,
                                  GradOut dw, Workspace workspace, Stream stream) {
  if (problem.dims.n == 0) {
    const size_t bytes = static_cast<size_t>(problem.dims.k * problem.dims.d) * sizeof(float);
    if (dw.mode == Write::kOverwrite) simt::memset_async(dw.data, 0, bytes, stream);
    return;
  }
  matmul(call_of(problem, LinearPass::kBackwardWeights, dw.mode), {.a = dy, .b = x, .c = dw.data},
         workspace, stream);
}

}  // namespace rela
