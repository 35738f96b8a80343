// Three passes over tiles of p = W h + b, which is made anew in each that needs it: the first
// leaves four sums of every row and column tile, a row kernel turns them into measures and the two
// numbers that the gradient needs, and the last makes the gradient of p for a few thousand rows at
// a time, in the workspace, and multiplies it on.

#include <algorithm>

#include "kernels/tile_cuda.h"
#include "kernels/transport/transport_loss.h"

namespace rela {
namespace {

constexpr int64_t kChunkRows = 8192;         // whose gradient of p is in the workspace at once
constexpr int kStagedPitch = kTileSide + 4;  // of a tile of p in shared memory
constexpr int kStagedBytes = kTileSide * kStagedPitch * static_cast<int>(sizeof(float));
constexpr int kRowThreads = 256;
constexpr int kWarps = kTileThreads / 32;
static_assert(kStagedBytes >= kTileSharedBytes);

/// Sums of one row over one tile's columns.
using RowSums = float4;  // p.p, p.y, y.y, |p - y|^2

struct RowGradient {
  float along_p, along_y;  // of the mean loss: dp = along_p p + along_y y
};

/// What the kernels read.
template <class T>
struct Problem {
  TransportDims d;
  MatrixSource<T> h, w;
  const float* b;  // null: none
  const float* y;
  TransportMeasure measure;
};

/// A tile of p in shared memory, [kTileSide, kStagedPitch]. Rows and columns beyond p hold 0.
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

__device__ inline double inverse_norm(double squares) {
  const double norm = sqrt(squares);
  return norm <= kTransportEps ? 0.0 : 1.0 / norm;  // NaN stays
}

/// The formulas of transport_row.h: a thread a row.
__global__ void __launch_bounds__(kRowThreads)
    row_kernel(const RowSums* sums, TransportDims d, TransportMeasure measure, TransportOutputs out,
               RowGradient* gradients, double* losses) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= d.rows) return;
  double pp = 0.0, py = 0.0, yy = 0.0, residual = 0.0;
  for (int64_t tile = 0; tile * kTileSide < d.outputs; ++tile) {
    const RowSums s = sums[tile * d.rows + row];
    pp += s.x;
    py += s.y;
    yy += s.z;
    residual += s.w;
  }
  const double inv_p = inverse_norm(pp), inv_y = inverse_norm(yy);
  const double cosine = py * inv_p * inv_y;
  const bool is_cosine = measure == TransportMeasure::kCosine;
  if (out.residual != nullptr) out.residual[row] = static_cast<float>(residual);
  if (out.cosine != nullptr) out.cosine[row] = static_cast<float>(1.0 - cosine);
  losses[row] = is_cosine ? 1.0 - cosine : residual;
  const double scale = 1.0 / static_cast<double>(d.rows);
  gradients[row] = {static_cast<float>(scale * (is_cosine ? cosine * inv_p * inv_p : 2.0)),
                    static_cast<float>(scale * (is_cosine ? -inv_p * inv_y : -2.0))};
}

/// One block: the mean, added in an order of its own.
__global__ void __launch_bounds__(kRowThreads)
    loss_kernel(const double* losses, int64_t rows, float* loss) {
  SIMT_SHARED(double, part, [kRowThreads]);
  const int thread = static_cast<int>(threadIdx.x);
  double sum = 0.0;
  for (int64_t row = thread; row < rows; row += kRowThreads) sum += losses[row];
  part[thread] = sum;
  __syncthreads();  // every thread's sum is there
  if (thread != 0) return;
  double total = 0.0;
  for (int t = 0; t < kRowThreads; ++t) total += part[t];
  *loss = static_cast<float>(total / static_cast<double>(rows));
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

/// Weights in the type of h.
template <class T, class Given>
__global__ void __launch_bounds__(kRowThreads)
    convert_kernel(const Given* from, int64_t count, T* to) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) store_f32(to + i, load_f32(from + i));
}
__global__ void __launch_bounds__(kRowThreads) fill_zero_kernel(float* to, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) to[i] = 0.0f;
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
  Layout l;
  const TransportDims& d = p.dims;
  const auto take = [&l](int64_t count, size_t size) {
    const size_t at = l.bytes;
    l.bytes += (static_cast<size_t>(count) * size + 127) / 128 * 128;
    return at;
  };
  l.sums = take(d.rows * tiles_for(d.outputs), sizeof(RowSums));
  l.gradients = take(d.rows, sizeof(RowGradient));
  l.losses = take(d.rows, sizeof(double));
  if (p.weight_dtype != p.dtype) l.weights = take(d.outputs * d.width, dtype_bytes(p.dtype));
  if (!out.wants_gradient()) return l;
  const int64_t chunk = std::min(d.rows, kChunkRows);
  l.dp = take(chunk * d.outputs, dtype_bytes(p.dtype));
  if (out.db != nullptr) l.db_parts = take(tiles_for(chunk) * d.outputs, sizeof(float));
  return l;
}

template <class T>
T* at(const Workspace& w, size_t offset) {
  return reinterpret_cast<T*>(static_cast<char*>(w.data) + offset);
}

template <class T>
void run_gradients(const Problem<T>& t, const TransportOutputs& out, const Layout& l,
                   const Workspace& workspace, Stream stream) {
  const TransportDims& d = t.d;
  T* const dp = at<T>(workspace, l.dp);
  float* const db_parts = out.db == nullptr ? nullptr : at<float>(workspace, l.db_parts);
  for (int64_t first = 0; first < d.rows; first += kChunkRows) {
    const int64_t count = std::min(kChunkRows, d.rows - first);
    const Write mode = first == 0 ? Write::kOverwrite : Write::kAccumulate;
    simt::launch(gradient_kernel<T>,
                 {dim3(tiles_for(count), tiles_for(d.outputs)), kTileThreads, kStagedBytes}, stream,
                 t, first, at<const RowGradient>(workspace, l.gradients), dp, db_parts);
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

void no_rows(const TransportDims& d, const TransportOutputs& out, Stream stream) {
  const auto clear = [stream](float* to, int64_t count) {
    if (to == nullptr) return;
    simt::launch(fill_zero_kernel, {blocks_for(count), kRowThreads}, stream, to, count);
  };
  clear(out.loss, 1);
  clear(out.dw, d.outputs * d.width);
  clear(out.db, d.outputs);
}

}  // namespace

size_t transport_loss_workspace_bytes_cuda(const TransportProblem& problem,
                                           const TransportOutputs& out) {
  return problem.dims.rows == 0 ? 0 : layout_of(problem, out).bytes;
}

void transport_loss_cuda(const TransportProblem& problem, const TransportInputs& in,
                         const TransportOutputs& out, Workspace workspace, Stream stream) {
  const TransportDims& d = problem.dims;
  if (d.rows == 0) return no_rows(d, out, stream);
  const Layout l = layout_of(problem, out);
  with_storage_type(problem.dtype, [&]<class T>(T*) {
    const void* w = in.w;
    if (problem.weight_dtype != problem.dtype) {
      T* const converted = at<T>(workspace, l.weights);
      const int64_t count = d.outputs * d.width;
      with_storage_type(problem.weight_dtype, [&]<class Given>(Given*) {
        simt::launch(convert_kernel<T, Given>, {blocks_for(count), kRowThreads}, stream,
                     static_cast<const Given*>(in.w), count, converted);
      });
      w = converted;
    }
    const Problem<T> t{d,
                       matrix_source<T>(in.h, d.rows, d.width),
                       matrix_source<T>(w, d.outputs, d.width),
                       problem.bias == Bias::kPresent ? in.b : nullptr,
                       in.y,
                       problem.measure};
    RowSums* const sums = at<RowSums>(workspace, l.sums);
    double* const losses = at<double>(workspace, l.losses);
    simt::launch(measure_kernel<T>,
                 {dim3(tiles_for(d.rows), tiles_for(d.outputs)), kTileThreads, kStagedBytes},
                 stream, t, sums);
    simt::launch(row_kernel, {blocks_for(d.rows), kRowThreads}, stream, sums, d, problem.measure,
                 out, at<RowGradient>(workspace, l.gradients), losses);
    if (out.loss != nullptr) {
      simt::launch(loss_kernel, {1, kRowThreads}, stream, losses, d.rows, out.loss);
    }
    if (out.wants_gradient()) run_gradients(t, out, l, workspace, stream);
  });
}

}  // namespace rela
