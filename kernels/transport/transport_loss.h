#pragma once

#include <compare>

#include "kernels/matmul/linear.h"
#include "kernels/types.h"

namespace rela {

/// A row whose l2 norm is at most this counts as zero: its cosine is 0 and it gets no gradient.
inline constexpr float kTransportEps = 1e-12f;

/// What the loss and its gradients are computed from; both values of each row are always available.
enum class TransportMeasure : uint8_t { kCosine, kResidual };

struct TransportDims {
  int64_t rows = 0;     // N, rows of h
  int64_t width = 0;    // D > 0
  int64_t outputs = 0;  // K > 0
  int64_t targets = 0;  // B, rows of y: row i of h pairs with row i mod B; B > 0 unless N == 0
  auto operator<=>(const TransportDims&) const = default;
};

struct TransportProblem {
  TransportDims dims;
  Dtype dtype = Dtype::kF32;         // of h
  Dtype weight_dtype = Dtype::kF32;  // of w
  Bias bias = Bias::kAbsent;
  TransportMeasure measure = TransportMeasure::kCosine;
};

struct TransportInputs {
  const void* h = nullptr;   // [N, D]
  const void* w = nullptr;   // [K, D]
  const float* b = nullptr;  // [K], read when the problem has a bias
  const float* y = nullptr;  // [B, K]
};

/// Every output may be null: not needed. All are overwritten.
struct TransportOutputs {
  float* residual = nullptr;  // [N]
  float* cosine = nullptr;    // [N]
  float* loss = nullptr;      // scalar
  float* dh = nullptr;        // [N, D] gradient of the loss
  float* dw = nullptr;        // [K, D]
  float* db = nullptr;        // [K]
  bool wants_gradient() const { return dh != nullptr || dw != nullptr || db != nullptr; }
};

/// How well the map p_i = W h_i + b transports rows to their targets, in one pass:
///   residual_i = |p_i - y_j|^2      cosine_i = 1 - p_i . y_j / (|p_i| |y_j|)      j = i mod B
///   loss       = mean over i of the problem's measure, and its gradients
/// A tile of p is computed, measured, turned into its gradient and multiplied while it is in the
/// cache, or a few rows of p are kept in the workspace
/// (kernels/libraries/tuning/product_algorithm.h); p is never stored whole. Sums are f32; where h
/// has 16 bits and the device multiplies such numbers, w and the gradient of p are rounded to its
/// type too; p is not. The loss is summed in f64 in row order. Deterministic for any number of
/// threads. No rows: loss, dw and db are 0.
using TransportLossFn = void(const TransportProblem& problem, const TransportInputs& in,
                             const TransportOutputs& out, Workspace workspace, Stream stream);
TransportLossFn transport_loss_cpu;
TransportLossFn transport_loss_cuda;

/// Bytes of workspace for these outputs.
using TransportWorkspaceFn = size_t(const TransportProblem& problem, const TransportOutputs& out);
TransportWorkspaceFn transport_loss_workspace_bytes_cpu;
TransportWorkspaceFn transport_loss_workspace_bytes_cuda;

}  // namespace rela
