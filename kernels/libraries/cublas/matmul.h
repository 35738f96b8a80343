#pragma once
// Matrix products from a library: cuBLASLt in a CUDA build, the CPU kernels in an emulated build,
// there in stream order and on the same memory.

#include <compare>

#include "kernels/matmul/linear.h"

namespace rela {

/// Row-major layouts of the factors of c [M, N]:
///   kNt : a [M, K], b [N, K]     kNn : a [M, K], b [K, N]     kTn : a [K, M], b [K, N]
enum class MatmulLayout : uint8_t { kNt, kNn, kTn };

/// c[m,n] (+)= sum_k a[m,k] * b[k,n] + bias[n]. Sizes are above 0.
struct MatmulCall {
  int64_t m = 0, n = 0, k = 0;
  MatmulLayout layout = MatmulLayout::kNt;
  Dtype in = Dtype::kF32;          // of a and b: f32, bf16 or f16
  Dtype out = Dtype::kF32;         // of c and bias: like `in`, or f32; with kTn always f32
  Bias bias = Bias::kAbsent;       // with kNt only
  Write mode = Write::kOverwrite;  // kAccumulate with kNn and kTn only
  F32Math f32_math = F32Math::kExact;
  int64_t batch = 1;  // number of products; matrices are contiguous; no bias above 1
  auto operator<=>(const MatmulCall&) const = default;
};

/// Bytes: every matrix starts at a multiple of this. Weights are in arenas, packed more tightly
/// than the 256 that cuBLASLt assumes by default.
inline constexpr uint32_t kMatmulAlignment = 16;
struct MatmulTensors {
  const void* a = nullptr;
  const void* b = nullptr;
  const void* bias = nullptr;
  void* c = nullptr;
};

/// The first call also makes the plan: before capturing a stream, call this for every product that
/// the capture contains.
size_t matmul_workspace_bytes(const MatmulCall& call);
/// Sums are f32, in an order that depends on the call alone. Throws simt::Error with the library's
/// reason when it has no algorithm for the call.
void matmul(const MatmulCall& call, const MatmulTensors& tensors, Workspace workspace,
            Stream stream);

}  // namespace rela
