// The limits of a GPU that the other rows are compared with: a copy's bandwidth, and the rate of
// cuBLASLt's matrix products.

#include "cuda_timing.h"
#include "kernels/libraries/cublas/matmul.h"

namespace rela {
namespace {

void time_copy(benchmark::State& state, int64_t bytes) {
  const Tensor from = Tensor::zeros({bytes / 4}, Dtype::kF32, Device::kCuda);
  Tensor to = Tensor::empty(from.shape(), Dtype::kF32, Device::kCuda);
  time_on_device(state, [&] { to.copy_from(from); });
  count(state, 2.0 * static_cast<double>(bytes));
}

/// [n, n] by [n, n]: large enough to be bound by arithmetic alone.
void time_product(benchmark::State& state, int64_t n, Dtype dtype, F32Math math) {
  const MatmulCall call{.m = n, .n = n, .k = n, .in = dtype, .out = dtype, .f32_math = math};
  const Tensor a = random_values({n, n}, dtype), b = random_values({n, n}, dtype);
  Tensor c = Tensor::empty({n, n}, dtype, Device::kCuda);
  Scratch scratch(matmul_workspace_bytes(call), Device::kCuda);
  time_on_device(state, [&] {
    matmul(call, {.a = a.raw(), .b = b.raw(), .c = c.raw()}, scratch.workspace(),
           cuda_compute_stream());
  });
  count(state, static_cast<double>(3 * a.bytes()),
        2.0 * static_cast<double>(n) * static_cast<double>(n * n));
}

void register_product(Dtype dtype, F32Math math) {
  const int64_t n = kEmulated ? 64 : 8192;
  register_on_cuda("product/cuda/n:" + std::to_string(n) + "/math:" +
                       (math == F32Math::kTf32 ? "tf32" : "exact") + "/dtype:" + dtype_name(dtype),
                   [=](benchmark::State& state) { time_product(state, n, dtype, math); });
}

const bool kRegistered = [] {
  const int64_t bytes = kEmulated ? 1 << 20 : 1 << 30;
  register_on_cuda("copy/cuda/bytes:" + std::to_string(bytes),
                   [=](benchmark::State& state) { time_copy(state, bytes); });
  for (const Dtype dtype : {Dtype::kBf16, Dtype::kF16, Dtype::kF32})
    register_product(dtype, F32Math::kExact);
  register_product(Dtype::kF32, F32Math::kTf32);
  return true;
}();

}  // namespace
}  // namespace rela
