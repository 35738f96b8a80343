#pragma once

#include "kernels/types.h"

namespace rela {

/// A row whose l2 norm is at most this counts as zero: its cosine is 0 and it gets no gradient.
inline constexpr float kByolEps = 1e-12f;

struct ByolLossArgs {
  const void* q = nullptr;  // [rows, cols]: predictions, view 1 then view 2
  const void* z = nullptr;  // like q: targets, view 1 then view 2
  float* loss = nullptr;    // out: scalar
  float* dq = nullptr;      // out [rows, cols]: gradient of the loss; null: not needed
  float scale = 1.0f;       // 2 / rows for "sum", 1 / rows for "mean"
};
/// Grill et al. 2020, eq. 2, l2 normalisation and its gradient in one pass. Row i of q is paired
/// with row (i + rows / 2) % rows of z, rows even:
///   loss = scale sum_i (2 - 2 cos_i)      cos_i = q_i . z_i / (|q_i| |z_i|)
///   dq_i = -2 scale (z_i / |z_i| - cos_i q_i / |q_i|) / |q_i|
/// f32 arithmetic, the loss summed in f64 in fixed order. Deterministic; doubling `scale` doubles
/// loss and dq exactly. No rows: loss is 0.
using ByolLossFn = void(const ByolLossArgs& args, RowDims dims, Dtype dtype, Workspace workspace,
                        Stream stream);
ByolLossFn byol_loss_cpu;
ByolLossFn byol_loss_cuda;

/// Bytes of workspace, on each device.
constexpr size_t byol_loss_workspace_bytes(RowDims dims) {
  return static_cast<size_t>(dims.rows) * sizeof(double);
}

}  // namespace rela
