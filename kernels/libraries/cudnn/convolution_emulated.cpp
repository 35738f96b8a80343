// Convolutions of the emulated build: the CPU kernels on emulated device memory.

#include "kernels/elementwise/cast.h"
#include "kernels/libraries/cudnn/convolution.h"
#include "kernels/libraries/tf32.h"
#include "kernels/libraries/widened_product.h"
#include "kernels/simt/device.h"
#include "kernels/simt/emulator/trace.h"

namespace rela {
namespace {

Conv2dProblem problem_of(const ConvolutionCall& call) {
  return {.dims = call.dims,
          .dtype = call.dtype,
          .weight_dtype = call.dtype,
          .algorithm = call.algorithm,
          .f32_math = call.f32_math};
}

WidenedProduct in_f32(const ConvolutionCall& call) {
  const ConvolutionSizes sizes = sizes_of(call);
  return {sizes.first, sizes.second, sizes.result};
}

/// The f32 convolution that replaces an f16 one.
ConvolutionCall widened(ConvolutionCall call) {
  call.dtype = Dtype::kF32;
  call.f32_math = F32Math::kExact;
  call.mode = Write::kOverwrite;
  return call;
}

/// The CPU's weight gradient is always f32; the library's has the type of its inputs. It is kept at
/// the front of the workspace until it is rounded.
size_t wide_gradient_bytes(const ConvolutionCall& call) {
  if (call.pass != Conv2dPass::kBackwardWeights || call.dtype == Dtype::kF32) return 0;
  return widened_bytes(sizes_of(call).result);
}

void backward_weights(const ConvolutionCall& call, const ConvolutionTensors& t,
                      Workspace workspace) {
  const size_t wide_bytes = wide_gradient_bytes(call);
  const Workspace scratch{static_cast<std::byte*>(workspace.data) + wide_bytes,
                          workspace.bytes - wide_bytes};
  if (wide_bytes == 0) {
    return conv2d_backward_weights_cpu(problem_of(call), t.first, t.second, {t.result, call.mode},
                                       scratch, Stream{});
  }
  conv2d_backward_weights_cpu(problem_of(call), t.first, t.second,
                              {workspace.data, Write::kOverwrite}, scratch, Stream{});
  cast_cpu({.x = workspace.data,
            .from = Dtype::kF32,
            .y = t.result,
            .to = call.dtype,
            .mode = call.mode},
           sizes_of(call).result, Stream{});
}

void run(const ConvolutionCall& call, const ConvolutionTensors& t, Workspace workspace) {
  if (call.dtype == Dtype::kF16) {
    return in_f32(call).run(
        t.first, t.second, {t.result, call.mode}, workspace,
        [&](const void* first, const void* second, void* result, Workspace rest) {
          run(widened(call), {first, second, result}, rest);
        });
  }
  switch (call.pass) {
    case Conv2dPass::kForward:
      return conv2d_forward_cpu(problem_of(call), t.first, t.second, t.result, workspace, Stream{});
    case Conv2dPass::kBackwardData:
      return conv2d_backward_data_cpu(problem_of(call), t.first, t.second, {t.result, call.mode},
                                      workspace, Stream{});
    case Conv2dPass::kBackwardWeights:
      return backward_weights(call, t, workspace);
  }
}

/// On a GPU tensor cores would round the factors.
void run_in_tf32(const ConvolutionCall& call, const ConvolutionTensors& t, Workspace workspace) {
  const ConvolutionSizes sizes = sizes_of(call);
  const std::vector<float> first = rounded_to_tf32(t.first, sizes.first);
  const std::vector<float> second = rounded_to_tf32(t.second, sizes.second);
  run(call, {first.data(), second.data(), t.result}, workspace);
}

const char* name_of(Conv2dPass pass) {
  switch (pass) {
    case Conv2dPass::kForward:
      return "convolution_forward";
    case Conv2dPass::kBackwardData:
      return "convolution_backward_data";
    case Conv2dPass::kBackwardWeights:
      break;
  }
  return "convolution_backward_weights";
}

simt::Traffic traffic_of(const ConvolutionCall& call) {
  const ConvolutionSizes sizes = sizes_of(call);
  const Conv2dDims& d = call.dims;
  const auto bytes = [&](int64_t count) {
    return static_cast<double>(static_cast<size_t>(count) * dtype_bytes(call.dtype));
  };
  const double old = call.mode == Write::kAccumulate ? bytes(sizes.result) : 0;
  return {.read = bytes(sizes.first) + bytes(sizes.second) + old,
          .written = bytes(sizes.result),
          .flops = 2.0 * static_cast<double>(d.n * d.p() * d.q() * d.k * d.r * d.s * d.c)};
}

}  // namespace

size_t convolution_workspace_bytes(const ConvolutionCall& call) {
  if (call.dtype == Dtype::kF16) {
    return in_f32(call).bytes() + convolution_workspace_bytes(widened(call));
  }
  const size_t wide_bytes = wide_gradient_bytes(call);
  const Write mode = wide_bytes > 0 ? Write::kOverwrite : call.mode;
  return wide_bytes + conv2d_workspace_bytes_cpu(problem_of(call), call.pass, mode);
}

void convolution(const ConvolutionCall& call, const ConvolutionTensors& tensors,
                 Workspace workspace, Stream stream) {
  const bool tf32 = call.dtype == Dtype::kF32 && call.f32_math == F32Math::kTf32;
  simt::host_task_async(stream, [=] {
    (tf32 ? run_in_tf32 : run)(call, tensors, workspace);
    simt::trace_library(name_of(call.pass), traffic_of(call));
  });
}

}  // namespace rela
