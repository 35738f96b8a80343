// Column sums, then products with the chosen algorithm.

#include <algorithm>
#include <string>

#include "kernels/gram/gram_algorithms_cuda.h"
#include "kernels/libraries/tuning/measure.h"
#include "kernels/libraries/tuning/product_algorithm.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

size_t products_bytes(const GramDims& d, Dtype dtype, ProductAlgorithm algorithm) {
  return algorithm == ProductAlgorithm::kTiled ? gram_products_tiled_workspace_bytes_cuda(d, dtype)
                                               : gram_products_fused_workspace_bytes_cuda(d);
}

void add_products(const GramInputs& in, const GramProducts& to, const GramDims& d,
                  Workspace workspace, Stream stream, ProductAlgorithm algorithm) {
  if (algorithm == ProductAlgorithm::kTiled) {
    gram_products_tiled_cuda(in, to, d, workspace, stream);
  } else {
    gram_products_fused_cuda(in, to, d, workspace, stream);
  }
}

std::optional<float> milliseconds(const GramDims& d, Dtype dtype, ProductAlgorithm algorithm) {
  MeasuringMemory memory;
  const GramInputs in{.x = memory.take(d.rows * d.p, dtype),
                      .y = memory.take(d.rows * d.q, dtype),
                      .dtype = dtype,
                      .shift = static_cast<float*>(memory.take(d.columns(), Dtype::kF32))};
  const auto columns = static_cast<size_t>(d.columns());
  const auto* column_sums = static_cast<double*>(memory.take(columns * sizeof(double)));
  auto* gram = static_cast<double*>(memory.take(columns * columns * sizeof(double)));
  const size_t bytes = products_bytes(d, dtype, algorithm);
  const Workspace workspace{memory.take(bytes), bytes};
  if (!memory.suffices()) return std::nullopt;
  return fastest_milliseconds([&] {
    add_products(in, {column_sums, gram}, d, workspace, Stream{}, algorithm);
  });
}

ProductAlgorithm algorithm_of(const GramDims& d, Dtype dtype) {
  return product_algorithm(
      "gram " + std::string(dtype_name(dtype)) + " " + std::to_string(d.rows) + "x" +
          std::to_string(d.p) + "+" + std::to_string(d.q),
      [&](ProductAlgorithm algorithm) { return milliseconds(d, dtype, algorithm); });
}

/// Bytes of this call's column sums, at the front of the workspace.
size_t column_sums_bytes(const GramDims& d) {
  return (static_cast<size_t>(d.columns()) * sizeof(double) + 255) / 256 * 256;
}

}  // namespace

size_t gram_workspace_bytes_cuda(const GramDims& dims, Dtype dtype) {
  if (dims.rows == 0) return 0;
  // The products run after the columns, so they share the space.
  return column_sums_bytes(dims) + std::max(gram_columns_workspace_bytes_cuda(dims),
                                            products_bytes(dims, dtype, algorithm_of(dims, dtype)));
}

void gram_cuda(const GramInputs& in, const GramSums& sums, const GramDims& dims,
               Workspace workspace, Stream stream) {
  if (dims.rows == 0) return;
  auto* const column_sums = static_cast<double*>(workspace.data);
  const Workspace rest{static_cast<char*>(workspace.data) + column_sums_bytes(dims),
                       workspace.bytes - column_sums_bytes(dims)};
  gram_columns_cuda(in, sums, dims, column_sums, rest, stream);
  if (sums.gram == nullptr) return;
  add_products(in, {column_sums, sums.gram}, dims, rest, stream, algorithm_of(dims, in.dtype));
}

}  // namespace rela
