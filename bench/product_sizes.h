#pragma once
// Sizes and arithmetic of what has no op case, and is timed on the CPU and on a GPU.

#include "kernels/similarity/top_k.h"
#include "kernels/transport/transport_loss.h"

namespace rela {

/// kNN of CIFAR-10: test images against training images.
inline constexpr TopKDims kCifar10Knn{
    .queries = 10000, .candidates = 50000, .width = 512, .k = 200};

/// Multiplications and additions of the similarities.
inline double flops_of(const TopKDims& d) {
  return 2.0 * static_cast<double>(d.queries * d.candidates) * static_cast<double>(d.width);
}
/// Of the loss and the gradient of h; the map is fixed.
inline double flops_of(const TransportDims& d) {
  return 4.0 * static_cast<double>(d.rows * d.width * d.outputs);
}

}  // namespace rela
