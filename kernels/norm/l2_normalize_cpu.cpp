#include <algorithm>
#include <cmath>

#include "kernels/norm/l2_normalize.h"
#include "kernels/parallel.h"

namespace rela {

void l2_normalize_rows_cpu(const float* x, float* y, RowDims dims, Stream) {
  constexpr double kEps = 1e-12;
  const auto normalize_row = [=](int64_t r) {
    const float* xr = x + r * dims.cols;  // [cols]
    float* yr = y + r * dims.cols;        // [cols]
    double squares = 0;
    for (int64_t c = 0; c < dims.cols; ++c) squares += static_cast<double>(xr[c]) * xr[c];
    const double scale = 1.0 / std::max(std::sqrt(squares), kEps);
    for (int64_t c = 0; c < dims.cols; ++c) yr[c] = static_cast<float>(xr[c] * scale);
  };
  const int64_t parts = dims.rows * dims.cols < 2 * kParallelGrain ? 1 : cpu_threads();
  parallel_for(parts, [&](int64_t part) {
    const Range rows = part_of(dims.rows, parts, part);
    for (int64_t r = rows.begin; r < rows.end; ++r) normalize_row(r);
  });
}

}  // namespace rela
