// Chooses the algorithm for the transport loss on a GPU.

#include <string>

#include "kernels/libraries/tuning/measure.h"
#include "kernels/libraries/tuning/product_algorithm.h"
#include "kernels/simt/device.h"
#include "kernels/transport/transport_algorithms_cuda.h"

namespace rela {
namespace {

size_t workspace_bytes(const TransportProblem& p, const TransportOutputs& out,
                       ProductAlgorithm algorithm) {
  return algorithm == ProductAlgorithm::kTiled ? transport_loss_tiled_workspace_bytes_cuda(p, out)
                                               : transport_loss_fused_workspace_bytes_cuda(p, out);
}

void run(const TransportProblem& p, const TransportInputs& in, const TransportOutputs& out,
         Workspace workspace, Stream stream, ProductAlgorithm algorithm) {
  if (algorithm == ProductAlgorithm::kTiled) {
    transport_loss_tiled_cuda(p, in, out, workspace, stream);
  } else {
    transport_loss_fused_cuda(p, in, out, workspace, stream);
  }
}

/// Times the call with scratch outputs for those that `wanted` has.
std::optional<float> milliseconds(const TransportProblem& p, const TransportOutputs& wanted,
                                  ProductAlgorithm algorithm) {
  MeasuringMemory memory;
  const TransportDims& d = p.dims;
  const auto floats = [&memory](int64_t count) {
    return static_cast<float*>(memory.take(count, Dtype::kF32));
  };
  const TransportInputs in{.h = memory.take(d.rows * d.width, p.dtype),
                           .w = memory.take(d.outputs * d.width, p.weight_dtype),
                           .b = floats(d.outputs),
                           .y = floats(d.targets * d.outputs)};
  const auto like = [&](const float* output, int64_t count) {
    return output == nullptr ? nullptr : floats(count);
  };
  const TransportOutputs out{.residual = like(wanted.residual, d.rows),
                             .cosine = like(wanted.cosine, d.rows),
                             .loss = like(wanted.loss, 1),
                             .dh = like(wanted.dh, d.rows * d.width),
                             .dw = like(wanted.dw, d.outputs * d.width),
                             .db = like(wanted.db, d.outputs)};
  const size_t bytes = workspace_bytes(p, out, algorithm);
  const Workspace workspace{memory.take(bytes), bytes};
  if (!memory.suffices()) return std::nullopt;
  return fastest_milliseconds([&] { run(p, in, out, workspace, Stream{}, algorithm); });
}

std::string describe(const TransportProblem& p, const TransportOutputs& out) {
  const TransportDims& d = p.dims;
  std::string text = "transport " + std::string(dtype_name(p.dtype)) + " by " +
                     dtype_name(p.weight_dtype) + " " + std::to_string(d.rows) + "x" +
                     std::to_string(d.width) + "x" + std::to_string(d.outputs);
  if (out.dh != nullptr) text += " dh";
  if (out.dw != nullptr) text += " dw";
  if (out.db != nullptr) text += " db";
  return text;
}

ProductAlgorithm algorithm_of(const TransportProblem& p, const TransportOutputs& out) {
  if (p.dims.rows == 0) return ProductAlgorithm::kFused;
  return product_algorithm(describe(p, out), [&](ProductAlgorithm algorithm) {
    return milliseconds(p, out, algorithm);
  });
}

}  // namespace

size_t transport_loss_workspace_bytes_cuda(const TransportProblem& problem,
                                           const TransportOutputs& out) {
  return workspace_bytes(problem, out, algorithm_of(problem, out));
}

void transport_loss_cuda(const TransportProblem& problem, const TransportInputs& in,
                         const TransportOutputs& out, Workspace workspace, Stream stream) {
  run(problem, in, out, workspace, stream, algorithm_of(problem, out));
}

}  // namespace rela
