#pragma once
// Shared by both GPU algorithms for the transport loss: turning row sums into measures and the
// terms of the gradient. Only .cu files include this.

#include "kernels/gpu/storage.h"
#include "kernels/gpu/workspace_pieces.h"
#include "kernels/transport/transport_loss.h"

namespace rela {

/// Sums of one row over some of its columns.
using RowSums = float4;  // p.p, p.y, y.y, |p - y|^2

struct RowGradient {
  float along_p, along_y;  // gradient of the mean loss: dp = along_p p + along_y y
};

struct TransportPartSums {
  const RowSums* sums = nullptr;  // [parts, N]
  int64_t parts = 1;              // parts of the columns
};

/// Computes the rows' measures, their gradients [N], and the loss; losses [N] is scratch.
void finish_transport_rows(const TransportPartSums& sums, const TransportProblem& problem,
                           const TransportOutputs& out, RowGradient* gradients, double* losses,
                           Stream stream);

/// w in the dtype of h: w itself, or a copy in `copy`, [K, D].
const void* matching_transport_weights(const TransportProblem& problem, const void* w, void* copy,
                                       Stream stream);

/// Writes the outputs of a batch without rows.
void clear_transport_outputs(const TransportDims& d, const TransportOutputs& out, Stream stream);

}  // namespace rela
