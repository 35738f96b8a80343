// Chooses the algorithm that finds the k best on a GPU.

#include <string>

#include "kernels/libraries/tuning/measure.h"
#include "kernels/libraries/tuning/product_algorithm.h"
#include "kernels/similarity/top_k_algorithms_cuda.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

size_t workspace_bytes(const TopKDims& d, ProductAlgorithm algorithm) {
  return algorithm == ProductAlgorithm::kTiled ? top_k_similarity_tiled_workspace_bytes_cuda(d)
                                               : top_k_similarity_fused_workspace_bytes_cuda(d);
}

void run(const TopKRows& rows, TopKOutput out, const TopKDims& d, Workspace workspace,
         Stream stream, ProductAlgorithm algorithm) {
  if (algorithm == ProductAlgorithm::kTiled) {
    top_k_similarity_tiled_cuda(rows, out, d, workspace, stream);
  } else {
    top_k_similarity_fused_cuda(rows.x, rows.y, out, d, workspace, stream);
  }
}

std::optional<float> milliseconds(const TopKDims& d, ProductAlgorithm algorithm) {
  MeasuringMemory memory;
  const void* x = memory.take(d.queries * d.width, d.dtype);
  const void* y = memory.take(d.candidates * d.width, d.dtype);
  const TopKOutput out{static_cast<float*>(memory.take(d.queries * d.k, Dtype::kF32)),
                       static_cast<int64_t*>(memory.take(d.queries * d.k, Dtype::kI64))};
  const size_t bytes = workspace_bytes(d, algorithm);
  const Workspace workspace{memory.take(bytes), bytes};
  if (!memory.suffices()) return std::nullopt;
  return fastest_milliseconds([&] { run({x, y}, out, d, workspace, Stream{}, algorithm); });
}

ProductAlgorithm algorithm_of(const TopKDims& d) {
  if (d.queries * d.width * d.k == 0) return ProductAlgorithm::kFused;
  return product_algorithm("top-k " + std::string(dtype_name(d.dtype)) + " " +
                               std::to_string(d.queries) + "x" + std::to_string(d.candidates) +
                               "x" + std::to_string(d.width) + " k " + std::to_string(d.k),
                           [&](ProductAlgorithm algorithm) { return milliseconds(d, algorithm); });
}

}  // namespace

size_t top_k_similarity_workspace_bytes_cuda(const TopKDims& dims) {
  return workspace_bytes(dims, algorithm_of(dims));
}

void top_k_similarity_cuda(const void* x, const void* y, TopKOutput out, const TopKDims& dims,
                           Workspace workspace, Stream stream) {
  run({x, y}, out, dims, workspace, stream, algorithm_of(dims));
}

}  // namespace rela
