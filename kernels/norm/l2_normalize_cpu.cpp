#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/norm/l2_normalize.h"

namespace rela {

void l2_normalize_rows_cpu(const float* x, float* y, RowDims dims, Stream) {
  constexpr double kEps = 1e-12;
  parallel_rows(dims, [=](int64_t r) {
    const float* xr = x + r * dims.cols;  // [cols]
    float* yr = y + r * dims.cols;        // [cols]
    double squares = 0;
    for (int64_t c = 0; c < dims.cols; ++c) squares += static_cast<double>(xr[c]) * xr[c];
    const double scale = 1.0 / std::max(std::sqrt(squares), kEps);
    for (int64_t c = 0; c < dims.cols; ++c) yr[c] = static_cast<float>(xr[c] * scale);
  });
}

}  // namespace rela
