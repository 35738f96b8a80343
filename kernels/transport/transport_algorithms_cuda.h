#pragma once
// The two algorithms of transport_loss_cuda (kernels/libraries/tuning/product_algorithm.h), with
// the same contract.

#include "kernels/transport/transport_loss.h"

namespace rela {

TransportLossFn transport_loss_fused_cuda;
TransportWorkspaceFn transport_loss_fused_workspace_bytes_cuda;

/// Bytes of p = W h + b, f32, in the workspace at once: as many rows as fit.
inline constexpr size_t kTransportTiledBytes = size_t{32} << 20;
void transport_loss_tiled_cuda(const TransportProblem& problem, const TransportInputs& in,
                               const TransportOutputs& out, Workspace workspace, Stream stream,
                               size_t projection_bytes = kTransportTiledBytes);
size_t transport_loss_tiled_workspace_bytes_cuda(const TransportProblem& problem,
                                                 const TransportOutputs& out,
                                                 size_t projection_bytes = kTransportTiledBytes);

}  // namespace rela
