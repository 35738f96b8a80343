#pragma once
// How well a linear map transports one model's features to another's, row by row. Not recorded on
// the tape; the losses are in ops.h.

#include <optional>

#include "runtime/tensor.h"

namespace rela {

struct TransportRows {
  Tensor residual;  // [N] f32: |W h_i + b - y_i|^2
  Tensor cosine;    // [N] f32: 1 - cos(W h_i + b, y_i)
};

/// h [N, D] f32 or bf16, weight [K, D] f32, bias [K] f32, y [N, K] f32. Throws ShapeError,
/// DtypeError and DeviceError. kernels/transport/transport_loss.h has the definition.
TransportRows transport_rows(const Tensor& h, const Tensor& weight,
                             const std::optional<Tensor>& bias, const Tensor& y);

}  // namespace rela
