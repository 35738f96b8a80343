// Adapts a convolution of the network to the library: filters are converted to the type of the
// activations before the call, their gradient is widened to f32 after it.

#include "kernels/conv/conv2d.h"
#include "kernels/elementwise/cast.h"
#include "kernels/libraries/cudnn/convolution.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

int64_t filter_count(const Conv2dDims& d) { return d.k * d.r * d.s * d.c; }

/// Bytes in front of the library's workspace for filters in the type of the activations.
size_t filter_bytes(const Conv2dProblem& p, Conv2dPass pass) {
  const Dtype given = pass == Conv2dPass::kBackwardWeights ? Dtype::kF32 : p.weight_dtype;
  if (given == p.dtype) return 0;
  return (static_cast<size_t>(filter_count(p.dims)) * dtype_bytes(p.dtype) + 255) / 256 * 256;
}

/// A weight gradient that is widened afterwards accumulates in that step.
ConvolutionCall call_of(const Conv2dProblem& p, Conv2dPass pass, Write mode) {
  const bool widened = pass == Conv2dPass::kBackwardWeights && p.dtype != Dtype::kF32;
  return {.dims = p.dims,
          .pass = pass,
          .dtype = p.dtype,
          .mode = widened ? Write::kOverwrite : mode,
          .f32_math = p.f32_math,
          .algorithm = p.algorithm};
}

Workspace behind(Workspace workspace, size_t bytes) {
  return {static_cast<std::byte*>(workspace.data) + bytes, workspace.bytes - bytes};
}

/// The filters in the type of the activations: as given, or a copy at the front of the workspace.
const void* matching_filters(const Conv2dProblem& p, const void* w, Workspace workspace,
                             Stream stream) {
  if (p.weight_dtype == p.dtype) return w;
  cast_cuda({.x = w, .from = p.weight_dtype, .y = workspace.data, .to = p.dtype},
            filter_count(p.dims), stream);
  return workspace.data;
}

}  // namespace

size_t conv2d_workspace_bytes_cuda(const Conv2dProblem& problem, Conv2dPass pass, Write mode) {
  if (problem.dims.n == 0) return 0;
  return filter_bytes(problem, pass) + convolution_workspace_bytes(call_of(problem, pass, mode));
}

void conv2d_forward_cuda(const Conv2dProblem& problem, const void* x, const void* w, void* y,
                         Workspace workspace, Stream stream) {
  if (problem.dims.n == 0) return;
  constexpr auto kPass = Conv2dPass::kForward;
  const void* filters = matching_filters(problem, w, workspace, stream);
  convolution(call_of(problem, kPass, Write::kOverwrite), {x, filters, y},
              behind(workspace, filter_bytes(problem, kPass)), stream);
}

void conv2d_backward_data_cuda(const Conv2dProblem& problem, const void* dy, const void* w,
                               GradOut dx, Workspace workspace, Stream stream) {
  if (problem.dims.n == 0) return;
  constexpr auto kPass = Conv2dPass::kBackwardData;
  const void* filters = matching_filters(problem, w, workspace, stream);
  convolution(call_of(problem, kPass, dx.mode), {dy, filters, dx.data},
              behind(workspace, filter_bytes(problem, kPass)), stream);
}

void conv2d_backward_weights_cuda(const Conv2dProblem& problem, const void* x, const void* dy,
                                  GradOut dw, Workspace workspace, Stream stream) {
  constexpr auto kPass = Conv2dPass::kBackwardWeights;
  const int64_t count = filter_count(problem.dims);
  if (problem.dims.n == 0) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(float);
    if (dw.mode == Write::kOverwrite) simt::memset_async(dw.data, 0, bytes, stream);
    return;
  }
  const size_t narrow_bytes = filter_bytes(problem, kPass);
  void* result = narrow_bytes > 0 ? workspace.data : dw.data;
  convolution(call_of(problem, kPass, dw.mode), {x, dy, result}, behind(workspace, narrow_bytes),
              stream);
  if (narrow_bytes == 0) return;
  cast_cuda({.x = result, .from = problem.dtype, .y = dw.data, .to = Dtype::kF32, .mode = dw.mode},
            count, stream);
}

}  // namespace rela
