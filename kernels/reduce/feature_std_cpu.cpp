#include "kernels/reduce/feature_std.h"

#include <algorithm>
#include <cmath>

namespace rela {
namespace {

// Two passes in f64: a collapsed feature has a tiny deviation around a large mean. Called with a
// few hundred rows, so one thread is enough.
template <class T>
double feature_std(const T* x, RowDims dims, Workspace workspace) {
  double* inv_norm = static_cast<double*>(workspace.data);  // [rows]
  double* mean = inv_norm + dims.rows;                      // [cols]
  double* squares = mean + dims.cols;                       // [cols]
  std::fill_n(mean, 2 * dims.cols, 0.0);
  for (int64_t r = 0; r < dims.rows; ++r) {
    double sum = 0.0;
    for (int64_t c = 0; c < dims.cols; ++c) {
      const double v = to_float(x[r * dims.cols + c]);
      sum += v * v;
    }
    const double norm = std::sqrt(sum);
    const double inv = norm <= 1e-12 ? 0.0 : 1.0 / norm;
    inv_norm[r] = inv;
    for (int64_t c = 0; c < dims.cols; ++c) mean[c] += to_float(x[r * dims.cols + c]) * inv;
  }
  for (int64_t c = 0; c < dims.cols; ++c) mean[c] /= static_cast<double>(dims.rows);
  for (int64_t r = 0; r < dims.rows; ++r) {
    const double inv = inv_norm[r];
    for (int64_t c = 0; c < dims.cols; ++c) {
      const double d = to_float(x[r * dims.cols + c]) * inv - mean[c];
      squares[c] += d * d;
    }
  }
  double total = 0.0;
  for (int64_t c = 0; c < dims.cols; ++c)
    total += std::sqrt(squares[c] / static_cast<double>(dims.rows));
  return total / static_cast<double>(dims.cols);
}

}  // namespace

void feature_std_cpu(const void* x, RowDims dims, Dtype dtype, float* result, Workspace workspace,
                     Stream) {
  if (dims.rows == 0 || dims.cols == 0) {
    *result = 0.0f;
    return;
  }
  *result = static_cast<float>(dtype == Dtype::kBf16
                                   ? feature_std(static_cast<const Bf16*>(x), dims, workspace)
                                   : feature_std(static_cast<const float*>(x), dims, workspace));
}

}  // namespace rela
