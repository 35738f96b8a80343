// Matrix products of the emulated build: the CPU kernels on emulated device memory.

#include "kernels/elementwise/cast.h"
#include "kernels/libraries/cublas/matmul.h"
#include "kernels/libraries/tf32.h"
#include "kernels/libraries/widened_product.h"
#include "kernels/simt/device.h"
#include "kernels/simt/emulator/trace.h"

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

/// The linear layer that has this product as one of its passes.
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

/// The CPU's linear layer takes its bias in f32: a widened copy is at the front of the workspace.
size_t widened_bias_bytes(const MatmulCall& call) {
  if (call.bias == Bias::kAbsent || call.out == Dtype::kF32) return 0;
  return widened_bytes(call.n);
}

WidenedProduct elements_of(const MatmulCall& call) {
  return {call.m * call.k, call.k * call.n, call.m * call.n, call.in, call.out};
}

/// Whether the CPU kernels lack this product.
bool is_widened(const MatmulCall& call) {
  const bool f32_of_bf16 = call.in == Dtype::kBf16 && call.out == Dtype::kF32;
  return call.in == Dtype::kF16 || (f32_of_bf16 && call.layout != MatmulLayout::kTn);
}

/// The f32 product that replaces a 16-bit one.
MatmulCall widened(MatmulCall call) {
  call.in = call.out = Dtype::kF32;
  call.f32_math = F32Math::kExact;
  call.mode = Write::kOverwrite;
  return call;
}

/// `bias`: f32.
void multiply(const MatmulCall& call, const MatmulTensors& t, const float* bias,
              Workspace workspace) {
  const LinearProblem problem = problem_of(call);
  switch (call.layout) {
    case MatmulLayout::kNt:
      return linear_forward_cpu(problem, t.a, {t.b, bias}, t.c, workspace, Stream{});
    case MatmulLayout::kNn:
      return linear_backward_data_cpu(problem, t.a, t.b, {t.c, call.mode}, workspace, Stream{});
    case MatmulLayout::kTn:
      return linear_backward_weights_cpu(problem, t.b, t.a, {t.c, call.mode}, workspace, Stream{});
  }
}

/// The tensors of the next product in a batch.
MatmulTensors next(const MatmulCall& call, const MatmulTensors& t) {
  const auto after = [](const void* p, int64_t count, Dtype dtype) {
    return static_cast<const std::byte*>(p) + static_cast<size_t>(count) * dtype_bytes(dtype);
  };
  return {.a = after(t.a, call.m * call.k, call.in),
          .b = after(t.b, call.k * call.n, call.in),
          .bias = t.bias,
          .c = const_cast<std::byte*>(after(t.c, call.m * call.n, call.out))};
}

void run(const MatmulCall& call, const MatmulTensors& t, Workspace workspace) {
  const size_t bias_bytes = widened_bias_bytes(call);
  const Workspace scratch{static_cast<std::byte*>(workspace.data) + bias_bytes,
                          workspace.bytes - bias_bytes};
  const float* bias = static_cast<const float*>(t.bias);
  if (bias_bytes > 0) {
    cast_cpu({.x = t.bias, .from = call.out, .y = workspace.data}, call.n, Stream{});
    bias = static_cast<const float*>(workspace.data);
  }
  if (!is_widened(call)) return multiply(call, t, bias, scratch);
  elements_of(call).run(t.a, t.b, {t.c, call.mode}, scratch,
                        [&](const void* a, const void* b, void* c, Workspace rest) {
                          multiply(widened(call), {.a = a, .b = b, .c = c}, bias, rest);
                        });
}

/// On a GPU tensor cores would round the factors.
void run_in_tf32(const MatmulCall& call, const MatmulTensors& t, Workspace workspace) {
  const std::vector<float> a = rounded_to_tf32(t.a, call.m * call.k);
  const std::vector<float> b = rounded_to_tf32(t.b, call.k * call.n);
  run(call, {.a = a.data(), .b = b.data(), .bias = t.bias, .c = t.c}, workspace);
}

size_t product_bytes(const MatmulCall& call) {
  return linear_workspace_bytes_cpu(problem_of(call), pass_of(call.layout), call.mode);
}

simt::Traffic traffic_of(const MatmulCall& call) {
  const auto bytes = [&](int64_t count, Dtype dtype) {
    return static_cast<double>(static_cast<size_t>(call.batch * count) * dtype_bytes(dtype));
  };
  const double result = bytes(call.m * call.n, call.out);
  return {.read = bytes(call.m * call.k, call.in) + bytes(call.k * call.n, call.in) +
                  (call.mode == Write::kAccumulate ? result : 0),
          .written = result,
          .flops = 2.0 * static_cast<double>(call.batch * call.m * call.n * call.k)};
}

}  // namespace

size_t matmul_workspace_bytes(const MatmulCall& call) {
  return widened_bias_bytes(call) + (is_widened(call)
                                         ? elements_of(call).bytes() + product_bytes(widened(call))
                                         : product_bytes(call));
}

void matmul(const MatmulCall& call, const MatmulTensors& tensors, Workspace workspace,
            Stream stream) {
  simt::host_task_async(stream, [=] {
    MatmulTensors t = tensors;
    const bool tf32 = call.in == Dtype::kF32 && call.f32_math == F32Math::kTf32;
    for (int64_t i = 0; i < call.batch; ++i, t = next(call, t)) {
      (tf32 ? run_in_tf32 : run)(call, t, workspace);
    }
    simt::trace_library("product", traffic_of(call));
  });
}

}  // namespace rela
