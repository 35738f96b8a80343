#include "kernels/norm/layer_norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

float sum_of_lanes(F32x16 v) {
  float sum = 0;
  for (int64_t i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}
/// `v` with the lanes outside the row set to 0.
F32x16 inside(F32x16 v, AllLanes) { return v; }
F32x16 inside(F32x16 v, SomeLanes lanes) {
  for (int64_t i = lanes.count; i < kLanes; ++i) v[i] = 0;
  return v;
}

/// Sum of two rows, rounded as stored, so that both passes and the backward pass see the same
/// values.
template <class T>
void add_rows(const T* x, const T* residual, T* sum, int64_t cols) {
  for_lanes(0, cols, [&](int64_t c, auto lanes) {
    lanes.store(sum + c, lanes.load(x + c) + lanes.load(residual + c));
  });
}

template <class T>
void forward_row(const LayerNormForwardArgs& args, const T* s, T* y, int64_t row, int64_t cols) {
  F32x16 total{};
  for_lanes(0, cols, [&](int64_t c, auto lanes) { total += lanes.load(s + c); });
  const float mean = sum_of_lanes(total) / static_cast<float>(cols);
  F32x16 squares{};
  for_lanes(0, cols, [&](int64_t c, auto lanes) {
    const F32x16 d = inside(lanes.load(s + c) - mean, lanes);
    squares = fma_lanes(d, d, squares);
  });
  const float var = sum_of_lanes(squares) / static_cast<float>(cols);
  const float inv_std = 1.0f / std::sqrt(var + args.eps);
  for_lanes(0, cols, [&](int64_t c, auto lanes) {
    const F32x16 xhat = (lanes.load(s + c) - mean) * inv_std;
    lanes.store(y + c, fma_lanes(xhat, lanes.load(args.gamma + c), lanes.load(args.beta + c)));
  });
  args.mean[row] = mean;
  args.inv_std[row] = inv_std;
}

template <class T>
void forward(const LayerNormForwardArgs& args, RowDims dims) {
  const T* x = static_cast<const T*>(args.x);
  const T* residual = static_cast<const T*>(args.residual);
  T* sum = static_cast<T*>(args.sum);
  parallel_rows(dims, [&](int64_t row) {
    const int64_t at = row * dims.cols;
    if (residual != nullptr) add_rows(x + at, residual + at, sum + at, dims.cols);
    const T* s = residual == nullptr ? x : sum;
    forward_row(args, s + at, static_cast<T*>(args.y) + at, row, dims.cols);
  });
}

// ---- backward ----

/// The rows split into parts by the problem's size alone: f32 sums within a part, f64 over the
/// parts.
struct RowParts {
  static constexpr int64_t kRows = 64;
  static int64_t count(RowDims dims) { return (dims.rows + kRows - 1) / kRows; }
};

/// Sums over a part's rows of dy and dy xhat.
struct PartialSums {
  float* dbeta;
  float* dgamma;
};

template <class T>
void backward_row(const LayerNormBackwardArgs& args, int64_t row, int64_t cols,
                  const PartialSums& sums) {
  const T* dy = static_cast<const T*>(args.dy) + row * cols;
  const T* x = static_cast<const T*>(args.x) + row * cols;
  const float mean = args.mean[row];
  const float inv_std = args.inv_std[row];
  F32x16 gradient{};
  F32x16 moment{};
  for_lanes(0, cols, [&](int64_t c, auto lanes) {
    const F32x16 d = lanes.load(dy + c);
    const F32x16 xhat = (lanes.load(x + c) - mean) * inv_std;
    const F32x16 g = d * lanes.load(args.gamma + c);
    gradient += g;
    moment = fma_lanes(g, xhat, moment);  // lanes past the end of the row have g = 0
    lanes.store(sums.dbeta + c, lanes.load(sums.dbeta + c) + d);
    lanes.store(sums.dgamma + c, fma_lanes(d, xhat, lanes.load(sums.dgamma + c)));
  });
  if (args.dx.data == nullptr) return;
  T* dx = static_cast<T*>(args.dx.data) + row * cols;
  const float mean_g = sum_of_lanes(gradient) / static_cast<float>(cols);
  const float mean_gx = sum_of_lanes(moment) / static_cast<float>(cols);
  for_lanes(0, cols, [&](int64_t c, auto lanes) {
    const F32x16 xhat = (lanes.load(x + c) - mean) * inv_std;
    const F32x16 g = lanes.load(dy + c) * lanes.load(args.gamma + c);
    F32x16 v = (g - mean_g - xhat * mean_gx) * inv_std;
    if (args.dx.mode == Write::kAccumulate) v += lanes.load(dx + c);
    lanes.store(dx + c, v);
  });
}

template <class T>
void backward(const LayerNormBackwardArgs& args, RowDims dims, float* partials) {
  parallel_for(RowParts::count(dims), [&](int64_t part) {
    const PartialSums sums{partials + part * 2 * dims.cols, partials + (part * 2 + 1) * dims.cols};
    std::fill_n(sums.dbeta, 2 * dims.cols, 0.0f);
    const int64_t begin = part * RowParts::kRows;
    const int64_t end = std::min(begin + RowParts::kRows, dims.rows);
    for (int64_t row = begin; row < end; ++row) backward_row<T>(args, row, dims.cols, sums);
  });
}

/// Adds the parts of row `index` (0: dbeta, 1: dgamma) in order.
void merge_parts(const float* partials, RowDims dims, int64_t index, GradOut out) {
  if (out.data == nullptr) return;
  float* to = static_cast<float*>(out.data);
  for (int64_t c = 0; c < dims.cols; ++c) {
    double total = out.mode == Write::kAccumulate ? to[c] : 0.0;
    for (int64_t p = 0; p < RowParts::count(dims); ++p) {
      total += partials[(p * 2 + index) * dims.cols + c];
    }
    to[c] = static_cast<float>(total);
  }
}

}  // namespace

void layer_norm_forward_cpu(const LayerNormForwardArgs& args, RowDims dims, Dtype dtype, Stream) {
  if (dims.rows * dims.cols == 0) return;
  with_cpu_storage_type(dtype, [&]<class T>(T*) { forward<T>(args, dims); });
}

size_t layer_norm_workspace_bytes_cpu(RowDims dims) {
  return static_cast<size_t>(RowParts::count(dims) * 2 * dims.cols) * sizeof(float);
}

void layer_norm_backward_cpu(const LayerNormBackwardArgs& args, RowDims dims, Dtype dtype,
                             Workspace workspace, Stream) {
  float* partials = static_cast<float*>(workspace.data);
  with_cpu_storage_type(dtype, [&]<class T>(T*) { backward<T>(args, dims, partials); });
  merge_parts(partials, dims, 0, args.dbeta);
  merge_parts(partials, dims, 1, args.dgamma);
}

}  // namespace rela
