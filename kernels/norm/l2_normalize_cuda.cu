#include "kernels/gpu/storage.h"
#include "kernels/norm/l2_normalize.h"

namespace rela {
namespace {

constexpr int kWarps = 8;  // per block; each takes one row

template <Rows kRows>
__global__ void __launch_bounds__(kWarps * 32)
    l2_normalize_rows_kernel(const float* x, float* y, const RowDims dims) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (row >= dims.rows) return;  // the whole warp
  const float* from = x + row * dims.cols;
  float* to = y + row * dims.cols;
  const auto count = [&](int64_t c) {
    return static_cast<int>(min(dims.cols - c, int64_t{kVector}));
  };
  double squares = 0.0;
  for (int64_t c = lane * kVector; c < dims.cols; c += 32 * kVector) {
    const F32x8 in = load_upto8<kRows>(from + c, count(c));
#pragma unroll
    for (const float v : in.v) squares += static_cast<double>(v) * v;
  }
#pragma unroll
  for (int other = 16; other > 0; other /= 2) {
    squares += __shfl_xor_sync(0xffffffffu, squares, other);
  }
  constexpr double kEps = 1e-12;
  const double scale = 1.0 / max(sqrt(squares), kEps);
  for (int64_t c = lane * kVector; c < dims.cols; c += 32 * kVector) {
    F32x8 out = load_upto8<kRows>(from + c, count(c));  // from the cache
#pragma unroll
    for (float& v : out.v) v = static_cast<float>(v * scale);
    store_upto8<kRows>(to + c, out, count(c));
  }
}

}  // namespace

void l2_normalize_rows_cuda(const float* x, float* y, RowDims dims, Stream stream) {
  if (dims.rows * dims.cols == 0) return;
  with_rows(kind_of_rows(dims.cols, x, y), [&]<Rows kRows>() {
    simt::launch(l2_normalize_rows_kernel<kRows>,
                 {static_cast<unsigned>(ceil_div(dims.rows, kWarps)), kWarps * 32}, stream, x, y,
                 dims);
  });
}

}  // namespace rela
