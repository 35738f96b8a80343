// cuBLASLt projects a chunk of rows into the workspace, p = W h; kernels measure its rows and turn
// it into its gradient, which cuBLASLt multiplies further. If there are several chunks, the second
// pass projects each again.

#include <algorithm>

#include "kernels/libraries/cublas/matmul.h"
#include "kernels/transport/transport_algorithms_cuda.h"
#include "kernels/transport/transport_rows_cuda.h"

namespace rela {
namespace {

constexpr int kThreads = 256;
/// Every kAlignedRows-th row starts at a multiple of kMatmulAlignment, whatever the width.
constexpr int64_t kAlignedRows = 8;

/// The inputs of the kernels, from row `first` on; p without its bias, [rows, K].
struct Chunk {
  TransportDims d;
  int64_t first, rows;
  const float *p, *b, *y;  // b: null for none

  __device__ float projected(int64_t r, int64_t k) const {
    return p[r * d.outputs + k] + (b == nullptr ? 0.0f : b[k]);
  }
  __device__ const float* target(int64_t r) const {
    return y + (first + r) % d.targets * d.outputs;
  }
};

/// sums [N]: one warp per row.
__global__ void __launch_bounds__(kThreads) measure_kernel(Chunk t, RowSums* sums) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t row = (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  if (row >= t.rows) return;
  const float* const y = t.target(row);
  float s[4] = {};
  for (int64_t k = lane; k < t.d.outputs; k += 32) {
    const float a = t.projected(row, k), b = y[k];
    s[0] += a * a;
    s[1] += a * b;
    s[2] += b * b;
    s[3] += (a - b) * (a - b);
  }
  for (float& sum : s) {
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  }
  if (lane == 0) sums[t.first + row] = make_float4(s[0], s[1], s[2], s[3]);
}

/// dp [rows, K]: a block takes part of the columns of a row.
template <class T>
__global__ void __launch_bounds__(kThreads)
    gradient_kernel(Chunk t, const RowGradient* gradients, T* dp) {
  const int64_t row = blockIdx.x;
  const int64_t k = static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  if (k >= t.d.outputs) return;
  const RowGradient g = gradients[t.first + row];
  store_f32(dp + row * t.d.outputs + k,
            g.along_p * t.projected(row, k) + g.along_y * t.target(row)[k]);
}

// ---- the products of `rows` rows ----

MatmulCall projection(const TransportProblem& p, int64_t rows) {
  return {.m = rows, .n = p.dims.outputs, .k = p.dims.width, .in = p.dtype, .out = Dtype::kF32};
}
MatmulCall features_gradient(const TransportProblem& p, int64_t rows) {
  return {.m = rows,
          .n = p.dims.width,
          .k = p.dims.outputs,
          .layout = MatmulLayout::kNn,
          .in = p.dtype,
          .out = Dtype::kF32};
}
MatmulCall weights_gradient(const TransportProblem& p, int64_t rows, Write mode) {
  return {.m = p.dims.outputs,
          .n = p.dims.width,
          .k = rows,
          .layout = MatmulLayout::kTn,
          .in = p.dtype,
          .out = Dtype::kF32,
          .mode = mode};
}

LinearProblem bias_gradient(const TransportProblem& p, int64_t rows) {
  return {.dims = {.n = rows, .d = p.dims.width, .k = p.dims.outputs}, .dtype = p.dtype};
}

int64_t chunk_rows(const TransportDims& d, size_t projection_bytes) {
  int64_t fit = static_cast<int64_t>(projection_bytes / sizeof(float)) / d.outputs;
  if (fit > kAlignedRows) fit = fit / kAlignedRows * kAlignedRows;
  return std::clamp<int64_t>(fit, 1, d.rows);
}

/// Workspace for whole chunks and the remainder; the first chunk overwrites dw, others add.
size_t product_bytes(const TransportProblem& p, const TransportOutputs& out, int64_t chunk) {
  size_t bytes = 0;
  const auto want = [&bytes](const MatmulCall& call) {
    bytes = std::max(bytes, matmul_workspace_bytes(call));
  };
  for (const int64_t rows : {chunk, p.dims.rows % chunk}) {
    if (rows == 0) continue;
    want(projection(p, rows));
    if (out.dh != nullptr) want(features_gradient(p, rows));
    if (out.dw == nullptr) continue;
    want(weights_gradient(p, rows, Write::kOverwrite));
    if (chunk < p.dims.rows) want(weights_gradient(p, rows, Write::kAccumulate));
  }
  return bytes;
}

/// Pieces of the workspace, as byte offsets; the products' workspace comes first.
struct Layout {
  size_t product = 0, p = 0, sums = 0, gradients = 0, losses = 0, weights = 0, dp = 0, bias = 0;
  size_t bias_bytes = 0, bytes = 0;
};
Layout layout_of(const TransportProblem& p, const TransportOutputs& out, int64_t chunk) {
  const TransportDims& d = p.dims;
  Layout l;
  WorkspaceCutter cut;
  l.product = product_bytes(p, out, chunk);
  cut.take(static_cast<int64_t>(l.product), 1);
  l.p = cut.take(chunk * d.outputs, sizeof(float));
  l.sums = cut.take(d.rows, sizeof(RowSums));
  l.gradients = cut.take(d.rows, sizeof(RowGradient));
  l.losses = cut.take(d.rows, sizeof(double));
  if (p.weight_dtype != p.dtype) l.weights = cut.take(d.outputs * d.width, dtype_bytes(p.dtype));
  if (out.wants_gradient()) l.dp = cut.take(chunk * d.outputs, dtype_bytes(p.dtype));
  if (out.db != nullptr) {
    for (const int64_t rows : {chunk, d.rows % chunk}) {
      const size_t bytes = linear_bias_workspace_bytes_cuda(bias_gradient(p, rows).dims);
      l.bias_bytes = std::max(l.bias_bytes, bytes);
    }
    l.bias = cut.take(static_cast<int64_t>(l.bias_bytes), 1);
  }
  l.bytes = cut.bytes;
  return l;
}

/// The work of one call: what all of its chunks share.
struct Work {
  const TransportProblem& problem;
  const TransportInputs& in;
  const TransportOutputs& out;
  const void* w;  // in the dtype of h
  Layout l;
  Workspace workspace;
  Stream stream;

  Workspace product_workspace() const { return {workspace.data, l.product}; }
  const void* features(int64_t first) const {
    return static_cast<const char*>(in.h) +
           static_cast<size_t>(first * problem.dims.width) * dtype_bytes(problem.dtype);
  }
  Chunk project(int64_t first, int64_t rows) const {
    float* const p = piece_at<float>(workspace, l.p);
    matmul(projection(problem, rows), {.a = features(first), .b = w, .c = p}, product_workspace(),
           stream);
    return chunk(first, rows);
  }
  /// The chunk that was projected last.
  Chunk chunk(int64_t first, int64_t rows) const {
    return {problem.dims,
            first,
            rows,
            piece_at<float>(workspace, l.p),
            problem.bias == Bias::kPresent ? in.b : nullptr,
            in.y};
  }
  void differentiate(const Chunk& c) const;
};

void Work::differentiate(const Chunk& c) const {
  const TransportDims& d = problem.dims;
  void* const dp = piece_at<void>(workspace, l.dp);
  const dim3 grid(static_cast<unsigned>(c.rows),
                  static_cast<unsigned>(ceil_div(d.outputs, kThreads)));
  with_storage_type(problem.dtype, [&]<class T>(T*) {
    simt::launch(gradient_kernel<T>, {grid, kThreads}, stream, c,
                 piece_at<const RowGradient>(workspace, l.gradients), static_cast<T*>(dp));
  });
  const Write mode = c.first == 0 ? Write::kOverwrite : Write::kAccumulate;
  if (out.db != nullptr) {
    linear_backward_bias_cuda(bias_gradient(problem, c.rows), dp, {out.db, mode},
                              {piece_at<void>(workspace, l.bias), l.bias_bytes}, stream);
  }
  if (out.dh != nullptr) {
    matmul(features_gradient(problem, c.rows), {.a = dp, .b = w, .c = out.dh + c.first * d.width},
           product_workspace(), stream);
  }
  if (out.dw != nullptr) {
    matmul(weights_gradient(problem, c.rows, mode), {.a = dp, .b = features(c.first), .c = out.dw},
           product_workspace(), stream);
  }
}

}  // namespace

size_t transport_loss_tiled_workspace_bytes_cuda(const TransportProblem& problem,
                                                 const TransportOutputs& out,
                                                 size_t projection_bytes) {
  if (problem.dims.rows == 0) return 0;
  return layout_of(problem, out, chunk_rows(problem.dims, projection_bytes)).bytes;
}

void transport_loss_tiled_cuda(const TransportProblem& problem, const TransportInputs& in,
                               const TransportOutputs& out, Workspace workspace, Stream stream,
                               size_t projection_bytes) {
  const TransportDims& d = problem.dims;
  if (d.rows == 0) return clear_transport_outputs(d, out, stream);
  const int64_t size = chunk_rows(d, projection_bytes);
  const Layout l = layout_of(problem, out, size);
  const void* w =
      matching_transport_weights(problem, in.w, piece_at<void>(workspace, l.weights), stream);
  const Work work{problem, in, out, w, l, workspace, stream};
  RowSums* const sums = piece_at<RowSums>(workspace, l.sums);
  for (int64_t first = 0; first < d.rows; first += size) {
    const Chunk c = work.project(first, std::min(size, d.rows - first));
    simt::launch(measure_kernel, {static_cast<unsigned>(ceil_div(32 * c.rows, kThreads)), kThreads},
                 stream, c, sums);
  }
  finish_transport_rows({sums, 1}, problem, out, piece_at<RowGradient>(workspace, l.gradients),
                        piece_at<double>(workspace, l.losses), stream);
  if (!out.wants_gradient()) return;
  for (int64_t first = 0; first < d.rows; first += size) {
    const int64_t rows = std::min(size, d.rows - first);
    work.differentiate(size == d.rows ? work.chunk(first, rows) : work.project(first, rows));
  }
}

}  // namespace rela
