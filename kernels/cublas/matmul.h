#pragma once
// The door to matrix products as a library does them. In a CUDA build cuBLASLt stands behind it, in
// the emulated build the CPU's kernels do, in stream order and on the same memory.

#include <compare>

#include "kernels/matmul/linear.h"

namespace rela {

/// How the factors of c [M, N] lie in memory, row by row:
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
  int64_t batch = 1;  // so many products, of matrices that lie one after another; no bias above 1
  auto operator<=>(const MatmulCall&) const = default;
};

/// Bytes: every matrix begins at a multiple. Weights lie in arenas, closer than cuBLASLt's own
/// assumption, 256.
inline constexpr uint32_t kMatmulAlignment = 16;
struct MatmulTensors {
  const void* a = nullptr;
  const void* b = nullptr;
  const void* bias = nullptr;
  void* c = nullptr;
};

/// The first time also makes the plan: before a stream is recorded, ask for every call that it
/// holds.
size_t matmul_workspace_bytes(const MatmulCall& call);
/// Sums are f32, in an order that depends on the call alone. Throws simt::Error with the library's
/// reason when it has no way to do it.
void matmul(const MatmulCall& call, const MatmulTensors& tensors, Workspace workspace,
            Stream stream);

}  // namespace rela
