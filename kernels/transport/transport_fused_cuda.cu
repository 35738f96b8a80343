// Three passes over tiles of p = W h + b, which is recomputed in each pass that needs it: the first
// writes four sums per row and column tile; a row kernel turns them into measures and the two
// numbers that the gradient needs; the last computes the gradient of p in the workspace, for a few
// thousand rows at a time, and multiplies it further.

#include <algorithm>

#include "kernels/gpu/tile_product.h"
#include "kernels/transport/transport_algorithms_cuda.h"
#include "kernels/transport/transport_rows_cuda.h"

namespace rela {
namespace {

constexpr int64_t kChunkRows = 8192;         // rows whose gradient of p is in the workspace at once
constexpr int kStagedPitch = kTileSide + 4;  // of a tile of p in shared memory
constexpr int kStagedBytes = kTileSide * kStagedPitch * static_cast<int>(sizeof(float));
constexpr int kRowThreads = 256;
constexpr int kWarps = kTileThreads / 32;
static_assert(kStagedBytes >= kTileSharedBytes);

/// The inputs of the kernels.
template <class T>
struct Problem {
  TransportDims d;
  MatrixSource<T> h, w;
  const float* b;  // null: none
  const float* y;
  TransportMeasure measure;
};

/// A tile of p in shared memory, [kTileSide, kStagedPitch]. Rows and columns past the edge of p are
/// 0.
template <class T>
__device__ inline void stage_projection(const Problem<T>& t, int64_t row, int64_t column,
                                        void* shared) {
  float* const staged = static_cast<float*>(shared);
  TileSums<T> sums;
  multiply_tile_cuda<T, TileOrder::kRowOuter, TileOrder::kRowOuter>(t.h, t.w, {row, column},
                                                                    {0, t.d.width}, shared, sums);
#pragma unroll
  for (int e = 0; e < kTileElements; ++e) {
    const int r = tile_row<T>(e), c = tile_column<T>(e);
    const bool is_inside = row + r < t.d.rows && column + c < t.d.outputs;
    const float bias = is_inside && t.b != nullptr ? t.b[column + c] : 0.0f;
    staged[r * kStagedPitch + c] = is_inside ? sums.v[e] + bias : 0.0f;
  }
}

/// sums [column tiles, N].
template <class T>
__global__ void __launch_bounds__(kTileThreads) measure_kernel(Problem<T> t, RowSums* sums) {
  SIMT_DYN_SHARED(float, staged);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kTileSide;
  const int64_t column = static_cast<int64_t>(blockIdx.y) * kTileSide;
  stage_projection(t, first, column, staged);
  __syncthreads();  // the tile of p is there
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  for (int r = warp; r < kTileSide && first + r < t.d.rows; r += kWarps) {
    const float* const y = t.y + (first + r) % t.d.targets * t.d.outputs + column;
    float s[4] = {};
    for (int c = lane; c < kTileSide && column + c < t.d.outputs; c += 32) {
      const float a = staged[r * kStagedPitch + c], b = y[c];
      s[0] += a * a;
      s[1] += a * b;
      s[2] += b * b;
      s[3] += (a - b) * (a - b);
    }
    for (int k = 0; k < 4; ++k) {
      for (int step = 16; step > 0; step /= 2) s[k] += __shfl_xor_sync(0xffffffffu, s[k], step);
    }
    if (lane == 0) sums[blockIdx.y * t.d.rows + first + r] = make_float4(s[0], s[1], s[2], s[3]);
  }
}

/// Gradient of p for the rows from `first` on: dp [chunk, K], and its column sums over each row
/// tile, db_parts [row tiles of the chunk, K] if wanted.
template <class T>
__global__ void __launch_bounds__(kTileThreads)
    gradient_kernel(Problem<T> t, int64_t first, const RowGradient* gradients, T* dp,
                    float* db_parts) {
  SIMT_DYN_SHARED(float, staged);
  const int64_t tile_row0 = first + static_cast<int64_t>(blockIdx.x) * kTileSide;
  const int64_t column = static_cast<int64_t>(blockIdx.y) * kTileSide;
  stage_projection(t, tile_row0, column, staged);
  __syncthreads();  // the tile of p is there
  const int c = static_cast<int>(threadIdx.x) % kTileSide;
  for (int r = static_cast<int>(threadIdx.x) / kTileSide; r < kTileSide;
       r += kTileThreads / kTileSide) {
    const int64_t row = tile_row0 + r;
    if (row >= t.d.rows || column + c >= t.d.outputs) break;
    const RowGradient g = gradients[row];
    const float y = t.y[row % t.d.targets * t.d.outputs + column + c];
    float& p = staged[r * kStagedPitch + c];
    p = g.along_p * p + g.along_y * y;
    store_f32(dp + (row - first) * t.d.outputs + column + c, p);
  }
  if (db_parts == nullptr) return;
  __syncthreads();  // the gradient has taken the place of p
  if (threadIdx.x >= kTileSide || column + c >= t.d.outputs) return;
  float sum = 0.0f;
  for (int r = 0; r < kTileSide && tile_row0 + r < t.d.rows; ++r)
    sum += staged[r * kStagedPitch + c];
  db_parts[blockIdx.x * t.d.outputs + column + c] = sum;
}

__global__ void __launch_bounds__(kRowThreads)
    bias_kernel(const float* parts, int64_t count, int64_t outputs, Write mode, float* db) {
  const int64_t k = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (k >= outputs) return;
  float sum = mode == Write::kAccumulate ? db[k] : 0.0f;
  for (int64_t part = 0; part < count; ++part) sum += parts[part * outputs + k];
  db[k] = sum;
}

/// c [rows, columns] = (or +=) a b^T, b depth-outer.
template <class T, TileOrder kA>
__global__ void __launch_bounds__(kTileThreads)
    product_kernel(MatrixSource<T> a, MatrixSource<T> b, int64_t depth, int64_t rows, Write mode,
                   float* c) {
  SIMT_DYN_SHARED(uint4, stages);
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kTileSide;
  const int64_t column = static_cast<int64_t>(blockIdx.y) * kTileSide;
  const int64_t columns = b.inner;
  TileSums<T> sums;
  multiply_tile_cuda<T, kA, TileOrder::kDepthOuter>(a, b, {row, column}, {0, depth}, stages, sums);
#pragma unroll
  for (int e = 0; e < kTileElements; ++e) {
    const int64_t r = row + tile_row<T>(e), k = column + tile_column<T>(e);
    if (r >= rows || k >= columns) continue;
    float* const out = c + r * columns + k;
    *out = mode == Write::kAccumulate ? *out + sums.v[e] : sums.v[e];
  }
}

unsigned blocks_for(int64_t threads) {
  return static_cast<unsigned>(ceil_div(threads, kRowThreads));
}
unsigned tiles_for(int64_t count) { return static_cast<unsigned>(ceil_div(count, kTileSide)); }

/// Pieces of the workspace, as byte offsets.
struct Layout {
  size_t sums = 0, gradients = 0, losses = 0, weights = 0, dp = 0, db_parts = 0, bytes = 0;
};
Layout layout_of(const TransportProblem& p, const TransportOutputs& out) {
  const TransportDims& d = p.dims;
  Layout l;
  WorkspaceCutter cut;
  l.sums = cut.take(d.rows * tiles_for(d.outputs), sizeof(RowSums));
  l.gradients = cut.take(d.rows, sizeof(RowGradient));
  l.losses = cut.take(d.rows, sizeof(double));
  if (p.weight_dtype != p.dtype) l.weights = cut.take(d.outputs * d.width, dtype_bytes(p.dtype));
  if (out.wants_gradient()) {
    const int64_t chunk = std::min(d.rows, kChunkRows);
    l.dp = cut.take(chunk * d.outputs, dtype_bytes(p.dtype));
    if (out.db != nullptr) l.db_parts = cut.take(tiles_for(chunk) * d.outputs, sizeof(float));
  }
  l.bytes = cut.bytes;
  return l;
}

template <class T>
void run_gradients(const Problem<T>& t, const TransportOutputs& out, const Layout& l,
                   const Workspace& workspace, Stream stream) {
  const TransportDims& d = t.d;
  T* const dp = piece_at<T>(workspace, l.dp);
  float* const db_parts = out.db == nullptr ? nullptr : piece_at<float>(workspace, l.db_parts);
  for (int64_t first = 0; first < d.rows; first += kChunkRows) {
    const int64_t count = std::min(kChunkRows, d.rows - first);
    const Write mode = first == 0 ? Write::kOverwrite : Write::kAccumulate;
    simt::launch(gradient_kernel<T>,
                 {dim3(tiles_for(count), tiles_for(d.outputs)), kTileThreads, kStagedBytes}, stream,
                 t, first, piece_at<const RowGradient>(workspace, l.gradients), dp, db_parts);
    if (out.db != nullptr) {
      simt::launch(bias_kernel, {blocks_for(d.outputs), kRowThreads}, stream, db_parts,
                   static_cast<int64_t>(tiles_for(count)), d.outputs, mode, out.db);
    }
    if (out.dh != nullptr) {
      simt::launch(product_kernel<T, TileOrder::kRowOuter>,
                   {dim3(tiles_for(count), tiles_for(d.width)), kTileThreads, kTileSharedBytes},
                   stream, matrix_source<T>(dp, count, d.outputs),
                   matrix_source<T>(t.w.data, d.outputs, d.width), d.outputs, count,
                   Write::kOverwrite, out.dh + first * d.width);
    }
    if (out.dw != nullptr) {
      simt::launch(product_kernel<T, TileOrder::kDepthOuter>,
                   {dim3(tiles_for(d.outputs), tiles_for(d.width)), kTileThreads, kTileSharedBytes},
                   stream, matrix_source<T>(dp, count, d.outputs),
                   matrix_source<T>(t.h.data + first * d.width, count, d.width), count, d.outputs,
                   mode, out.dw);
    }
  }
}

}  // namespace

size_t transport_loss_fused_workspace_bytes_cuda(const TransportProblem& problem,
                                                 const TransportOutputs& out) {
  return problem.dims.rows == 0 ? 0 : layout_of(problem, out).bytes;
}

void transport_loss_fused_cuda(const TransportProblem& problem, const TransportInputs& in,
                               const TransportOutputs& out, Workspace workspace, Stream stream) {
  const TransportDims& d = problem.dims;
  if (d.rows == 0) return clear_transport_outputs(d, out, stream);
  const Layout l = layout_of(problem, out);
  const void* w =
      matching_transport_weights(problem, in.w, piece_at<void>(workspace, l.weights), stream);
  with_storage_type(problem.dtype, [&]<class T>(T*) {
    const Problem<T> t{d,
                       matrix_source<T>(in.h, d.rows, d.width),
                       matrix_source<T>(w, d.outputs, d.width),
                       problem.bias == Bias::kPresent ? in.b : nullptr,
                       in.y,
                       problem.measure};
    RowSums* const sums = piece_at<RowSums>(workspace, l.sums);
    simt::launch(measure_kernel<T>,
                 {dim3(tiles_for(d.rows), tiles_for(d.outputs)), kTileThreads, kStagedBytes},
                 stream, t, sums);
    finish_transport_rows({sums, tiles_for(d.outputs)}, problem, out,
                          piece_at<RowGradient>(workspace, l.gradients),
                          piece_at<double>(workspace, l.losses), stream);
    if (out.wants_gradient()) run_gradients(t, out, l, workspace, stream);
  });
}

}  // namespace rela
