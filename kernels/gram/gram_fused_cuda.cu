// A block owns one pair of column tiles of the lower half for one part of the rows, and adds f32
// tile products of kGramCudaChunk rows in f64. The parts are then added in order. f32 rows are
// shifted as they are loaded; 16-bit rows go to the tensor cores unshifted, and the shift is
// removed from the sums: their products are exact in f32.

#include <algorithm>

#include "kernels/gram/gram_algorithms_cuda.h"
#include "kernels/gram/gram_rows_cuda.h"

namespace rela {
namespace {

constexpr int64_t kRowChunk = kGramCudaChunk;
constexpr int kTargetBlocks = 264;  // two per multiprocessor of a large GPU

/// How the work is split, depending on the problem's size alone.
struct Plan {
  int64_t tiles = 0;      // column tiles
  int64_t pairs = 0;      // tile pairs in the lower half
  int64_t parts = 1;      // parts of the rows
  int64_t part_rows = 0;  // whole chunks
};
Plan plan_of(const GramDims& d) {
  Plan p;
  p.tiles = ceil_div(d.columns(), kTileSide);
  p.pairs = p.tiles * (p.tiles + 1) / 2;
  const int64_t chunks = std::max<int64_t>(1, ceil_div(d.rows, kRowChunk));
  p.parts = std::clamp<int64_t>(kTargetBlocks / p.pairs, 1, std::min<int64_t>(chunks, 8));
  p.part_rows = ceil_div(chunks, p.parts) * kRowChunk;
  return p;
}

/// Pair number -> (row tile, column tile), column <= row.
struct TilePair {
  int row, column;
};
__device__ inline TilePair pair_of(int pair) {
  int row = 0;
  while ((row + 1) * (row + 2) / 2 <= pair) ++row;
  return {row, pair - row * (row + 1) / 2};
}

/// products [parts, pairs, kTileSide, kTileSide] f64.
template <class T>
__global__ void __launch_bounds__(kTileThreads)
    product_kernel(JoinedRows<T> z, Plan plan, double* products) {
  SIMT_DYN_SHARED(uint4, stages);
  const TilePair pair = pair_of(static_cast<int>(blockIdx.x));
  double* const out = products + (static_cast<int64_t>(blockIdx.y) * gridDim.x + blockIdx.x) *
                                     kTileSide * kTileSide;
  const int64_t begin = blockIdx.y * plan.part_rows;
  const int64_t end = min(begin + plan.part_rows, z.d.rows);
  for (int64_t first = begin; first < end; first += kRowChunk) {
    TileSums<T> sums;
    multiply_tile_cuda<T, TileOrder::kDepthOuter, TileOrder::kDepthOuter>(
        z, z,
        {static_cast<int64_t>(pair.row) * kTileSide, static_cast<int64_t>(pair.column) * kTileSide},
        {first, min(first + kRowChunk, end)}, stages, sums);
#pragma unroll
    for (int e = 0; e < kTileElements; ++e) {
      double* const sum = out + tile_row<T>(e) * kTileSide + tile_column<T>(e);
      *sum = (first == begin ? 0.0 : *sum) + sums.v[e];
    }
  }
}

/// Adds the parts to the lower half of gram, and removes the shift of 16-bit rows.
template <class T>
__global__ void __launch_bounds__(kTileThreads)
    gram_kernel(JoinedRows<T> z, Plan plan, const double* products, const double* columns,
                double* gram) {
  const TilePair pair = pair_of(static_cast<int>(blockIdx.x));
  const int64_t width = z.d.p + z.d.q;
  for (int e = static_cast<int>(threadIdx.x); e < kTileSide * kTileSide; e += kTileThreads) {
    const int64_t row = static_cast<int64_t>(pair.row) * kTileSide + e / kTileSide;
    const int64_t column = static_cast<int64_t>(pair.column) * kTileSide + e % kTileSide;
    if (row >= width || column > row) continue;
    double sum = 0.0;
    for (int64_t part = 0; part < plan.parts; ++part) {
      if (part * plan.part_rows >= z.d.rows) break;
      sum += products[(part * plan.pairs + blockIdx.x) * kTileSide * kTileSide + e];
    }
    if constexpr (sizeof(T) == 2) sum -= share_of_shift(z, columns, row, column);
    gram[row * width + column] += sum;
  }
}

}  // namespace

size_t gram_products_fused_workspace_bytes_cuda(const GramDims& dims) {
  const Plan plan = plan_of(dims);
  return static_cast<size_t>(plan.parts * plan.pairs * kTileSide * kTileSide) * sizeof(double);
}

void gram_products_fused_cuda(const GramInputs& in, const GramProducts& to, const GramDims& dims,
                              Workspace workspace, Stream stream) {
  const Plan plan = plan_of(dims);
  double* const products = static_cast<double*>(workspace.data);
  with_storage_type(in.dtype, [&]<class T>(T*) {
    const JoinedRows<T> z = joined_rows<T>(in, dims);
    const dim3 grid(static_cast<unsigned>(plan.pairs), static_cast<unsigned>(plan.parts));
    simt::launch(product_kernel<T>, {grid, kTileThreads, kTileSharedBytes}, stream, z, plan,
                 products);
    simt::launch(gram_kernel<T>, {static_cast<unsigned>(plan.pairs), kTileThreads}, stream, z, plan,
                 products, to.column_sums, to.gram);
  });
}

}  // namespace rela
