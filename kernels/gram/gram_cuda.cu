// A block owns one pair of column tiles of the lower half for one part of the rows, and adds f32
// tile products of kGramCudaChunk rows in f64. The parts are added up in order. f32 rows are
// shifted as they are loaded; 16-bit rows go to the tensor cores as they are, and the shift is
// taken out of the sums: their products are exact in f32.

#include <algorithm>

#include "kernels/gram/gram.h"
#include "kernels/tile_cuda.h"

namespace rela {
namespace {

constexpr int64_t kRowChunk = kGramCudaChunk;
constexpr int kTargetBlocks = 264;  // two for each multiprocessor of a large GPU
constexpr int kColumnThreads = 256;
constexpr int kColumns = 32;  // of a block that sums columns: 8 threads share each
constexpr int kSharers = kColumnThreads / kColumns;

/// z = [x y], depth-outer: outer is the image, inner the column.
template <class T>
struct JoinedRows {
  const T *x, *y;
  const float* shift;
  GramDims d;
  bool is_aligned;  // both widths are whole chunks

  __device__ bool is_whole(int64_t o, int64_t i) const {
    return is_aligned && o < d.rows && i + kChunk<T> <= d.p + d.q;
  }
  __device__ const T* chunk(int64_t o, int64_t i) const {
    return i < d.p ? x + o * d.p + i : y + o * d.q + i - d.p;
  }
  __device__ float raw(int64_t o, int64_t i) const {
    return load_f32(i < d.p ? x + o * d.p + i : y + o * d.q + i - d.p);
  }
  /// What the product sees.
  __device__ float at(int64_t o, int64_t i) const {
    if (o >= d.rows || i >= d.p + d.q) return 0.0f;
    return sizeof(T) == sizeof(float) ? raw(o, i) - shift[i] : raw(o, i);
  }
  __device__ float shifted(int64_t o, int64_t i) const { return raw(o, i) - shift[i]; }
};
template <class T>
JoinedRows<T> joined_rows(const GramInputs& in, const GramDims& d) {
  const bool is_aligned =
      sizeof(T) == 2 && aligned16(in.x, in.y) && d.p % kChunk<T> == 0 && d.q % kChunk<T> == 0;
  return {static_cast<const T*>(in.x), static_cast<const T*>(in.y), in.shift, d, is_aligned};
}

/// How the work is cut, and what it needs of the workspace, by the problem's size alone.
struct Plan {
  int64_t tiles = 0;      // of columns
  int64_t pairs = 0;      // of the lower half
  int64_t parts = 1;      // of the rows, for products
  int64_t part_rows = 0;  // whole chunks
  int64_t slices = 1;     // of the rows, for columns
  int64_t slice_rows = 0;
  size_t products = 0, norms = 0, columns = 0, bytes = 0;  // where they begin, in doubles
};
Plan plan_of(const GramDims& d) {
  Plan p;
  p.tiles = ceil_div(d.columns(), kTileSide);
  p.pairs = p.tiles * (p.tiles + 1) / 2;
  const int64_t chunks = std::max<int64_t>(1, ceil_div(d.rows, kRowChunk));
  p.parts = std::clamp<int64_t>(kTargetBlocks / p.pairs, 1, std::min<int64_t>(chunks, 8));
  p.part_rows = ceil_div(chunks, p.parts) * kRowChunk;
  p.slices = std::clamp<int64_t>(d.rows / 256, 1, 64);
  p.slice_rows = ceil_div(d.rows, p.slices);
  p.norms = static_cast<size_t>(p.parts * p.pairs * kTileSide * kTileSide);
  p.columns = p.norms + static_cast<size_t>(2 * d.rows);
  // Three sums of every column and slice, then this call's own sums of the columns.
  p.bytes = (p.columns + static_cast<size_t>((3 * p.slices + 1) * d.columns())) * sizeof(double);
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

/// Adds the parts to the lower half of gram. 16-bit rows: takes out the shift s; with U the sums of
/// the shifted columns, sum z z^T = sum u u^T + U s^T + s U^T + N s s^T.
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
    if constexpr (sizeof(T) == 2) {
      const double a = z.shift[row], b = z.shift[column];
      sum -= columns[row] * b + a * columns[column] + static_cast<double>(z.d.rows) * a * b;
    }
    gram[row * width + column] += sum;
  }
}

/// norms [N, 2]: |x part|^2 and |y part|^2 of the shifted rows, a warp each.
template <class T>
__global__ void __launch_bounds__(kColumnThreads) norms_kernel(JoinedRows<T> z, double* norms) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t row = (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  if (row >= z.d.rows) return;
  double a = 0.0, b = 0.0;
  for (int64_t c = lane; c < z.d.p + z.d.q; c += 32) {
    const double u = z.shifted(row, c);
    (c < z.d.p ? a : b) += u * u;
  }
  for (int step = 16; step > 0; step /= 2) {
    a += __shfl_xor_sync(0xffffffffu, a, step);
    b += __shfl_xor_sync(0xffffffffu, b, step);
  }
  if (lane == 0) norms[2 * row] = a;
  if (lane == 0) norms[2 * row + 1] = b;
}

/// partial [slices, 3, P]: sums of the columns of one slice of rows, plain and weighted by a and b.
template <class T>
__global__ void __launch_bounds__(kColumnThreads)
    columns_kernel(JoinedRows<T> z, Plan plan, const double* norms, double* partial) {
  SIMT_SHARED(double, part, [3][kSharers][kColumns]);
  const int thread = static_cast<int>(threadIdx.x);
  const int sharer = thread / kColumns, width = static_cast<int>(z.d.p + z.d.q);
  const int column = static_cast<int>(blockIdx.x) * kColumns + thread % kColumns;
  const int64_t begin = blockIdx.y * plan.slice_rows;
  const int64_t end = min(begin + plan.slice_rows, z.d.rows);
  double sums[3] = {};
  for (int64_t row = begin + sharer; row < end && column < width; row += kSharers) {
    const double u = z.shifted(row, column);
    sums[0] += u;
    sums[1] += norms[2 * row] * u;
    sums[2] += norms[2 * row + 1] * u;
  }
  for (int k = 0; k < 3; ++k) part[k][sharer][thread % kColumns] = sums[k];
  __syncthreads();  // every thread's sums are there
  if (sharer >= 3 || column >= width) return;
  double sum = 0.0;
  for (int s = 0; s < kSharers; ++s) sum += part[sharer][s][thread % kColumns];
  partial[(static_cast<int64_t>(blockIdx.y) * 3 + sharer) * width + column] = sum;
}

/// Adds the slices to the caller's sums; `own` gets this call's sums of the columns.
__global__ void __launch_bounds__(kColumnThreads)
    add_columns_kernel(const double* partial, int64_t slices, int64_t width, GramSums sums,
                       double* own) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= 3 * width) return;
  double sum = 0.0;
  for (int64_t s = 0; s < slices; ++s) sum += partial[s * 3 * width + i];
  if (i < width) {
    own[i] = sum;
    if (sums.column != nullptr) sums.column[i] += sum;
  } else if (sums.weighted != nullptr) {
    sums.weighted[i - width] += sum;
  }
}

/// One block adds sum a^2, a b, b^2.
__global__ void __launch_bounds__(kColumnThreads)
    quartic_kernel(const double* norms, int64_t rows, double* quartic) {
  SIMT_SHARED(double, part, [3][kColumnThreads]);
  const int thread = static_cast<int>(threadIdx.x);
  double sums[3] = {};
  for (int64_t row = thread; row < rows; row += kColumnThreads) {
    const double a = norms[2 * row], b = norms[2 * row + 1];
    sums[0] += a * a;
    sums[1] += a * b;
    sums[2] += b * b;
  }
  for (int k = 0; k < 3; ++k) part[k][thread] = sums[k];
  __syncthreads();  // every thread's sums are there
  if (thread >= 3) return;
  double sum = 0.0;
  for (int t = 0; t < kColumnThreads; ++t) sum += part[thread][t];
  quartic[thread] += sum;
}

/// shift [P]: mean of the first rows of a column, 0 where that is not finite.
template <class T>
__global__ void __launch_bounds__(kColumnThreads)
    shift_kernel(JoinedRows<T> z, int64_t rows, float* shift) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= z.d.p + z.d.q) return;
  double sum = 0.0;
  for (int64_t row = 0; row < rows; ++row) sum += z.raw(row, column);
  const bool is_finite = sum - sum == 0.0;
  shift[column] =
      rows > 0 && is_finite ? static_cast<float>(sum / static_cast<double>(rows)) : 0.0f;
}

unsigned blocks_for(int64_t threads) {
  return static_cast<unsigned>(ceil_div(threads, kColumnThreads));
}

}  // namespace

size_t gram_workspace_bytes_cuda(const GramDims& dims) {
  return dims.rows == 0 ? 0 : plan_of(dims).bytes;
}

void gram_cuda(const GramInputs& in, const GramSums& sums, const GramDims& dims,
               Workspace workspace, Stream stream) {
  if (dims.rows == 0) return;
  const Plan plan = plan_of(dims);
  double* const products = static_cast<double*>(workspace.data);
  double* const norms = products + plan.norms;
  double* const partial = products + plan.columns;
  double* const own = partial + 3 * plan.slices * dims.columns();
  with_storage_type(in.dtype, [&]<class T>(T*) {
    const JoinedRows<T> z = joined_rows<T>(in, dims);
    simt::launch(norms_kernel<T>, {blocks_for(32 * dims.rows), kColumnThreads}, stream, z, norms);
    const dim3 slices(static_cast<unsigned>(ceil_div(dims.columns(), kColumns)),
                      static_cast<unsigned>(plan.slices));
    simt::launch(columns_kernel<T>, {slices, kColumnThreads}, stream, z, plan, norms, partial);
    simt::launch(add_columns_kernel, {blocks_for(3 * dims.columns()), kColumnThreads}, stream,
                 partial, plan.slices, dims.columns(), sums, own);
    if (sums.quartic != nullptr) {
      simt::launch(quartic_kernel, {1, kColumnThreads}, stream, norms, dims.rows, sums.quartic);
    }
    if (sums.gram == nullptr) return;
    const dim3 grid(static_cast<unsigned>(plan.pairs), static_cast<unsigned>(plan.parts));
    simt::launch(product_kernel<T>, {grid, kTileThreads, kTileSharedBytes}, stream, z, plan,
                 products);
    simt::launch(gram_kernel<T>, {static_cast<unsigned>(plan.pairs), kTileThreads}, stream, z, plan,
                 products, own, sums.gram);
  });
}

void gram_shift_cuda(const GramInputs& in, float* shift, const GramDims& dims, Stream stream) {
  with_storage_type(in.dtype, [&]<class T>(T*) {
    simt::launch(shift_kernel<T>, {blocks_for(dims.columns()), kColumnThreads}, stream,
                 joined_rows<T>(in, dims), std::min(dims.rows, kGramChunk), shift);
  });
}

}  // namespace rela
