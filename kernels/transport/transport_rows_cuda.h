#pragma once
// What both ways to the transport loss share on a GPU: from sums of rows to measures and to what
// the gradient needs. Only .cu files include this.

#include "kernels/cuda_types.h"
#include "kernels/transport/transport_loss.h"
#include "kernels/workspace_pieces.h"

namespace rela {

/// Sums of one row over some of its columns.
using RowSums = float4;  // p.p, p.y, y.y, |p - y|^2

struct RowGradient {
  float along_p, along_y;  // of the mean loss: dp = along_p p + along_y y
};

struct TransportPartSums {
  const RowSums* sums = nullptr;  // [parts, N]
  int64_t parts = 1;              // of the columns
};

/// From sums to the rows' measures, their gradients [N], and the loss; losses [N] is scratch.
void finish_transport_rows(const TransportPartSums& sums, const TransportProblem& problem,
                           const TransportOutputs& out, RowGradient* gradients, double* losses,
                           Stream stream);

/// w in the dtype of h: itself, or a copy in `copy`, [K, D].
const void* matching_transport_weights(const TransportProblem& problem, const void* w, void* copy,
                                       Stream stream);

/// What a batch without rows gives.
void clear_transport_outputs(const TransportDims& d, const TransportOutputs& out, Stream stream);

}  // namespace rela
