#include "kernels/reduce/sum_of_squares.h"

#include "kernels/cpu/reduce_parts.h"
#include "kernels/cpu/simd.h"

namespace rela {
namespace {

/// An f32 lane adds this many squares at most before it goes into the f64 sum.
constexpr int64_t kRun = 64 * kLanes;

double sum_range(const float* x, int64_t begin, int64_t end) {
  double total = 0.0;
  for (int64_t run = begin; run < end; run += kRun) {
    F32x16 sum{};
    for_lanes(run, run + kRun < end ? run + kRun : end, [&](int64_t i, auto lanes) {
      const F32x16 v = lanes.load(x + i);
      sum += v * v;
    });
    for (int64_t i = 0; i < kLanes; ++i) total += sum[i];
  }
  return total;
}

}  // namespace

void sum_of_squares_cpu(const float* x, int64_t n, double* sum, Workspace, Stream) {
  *sum =
      reduce_parts<double>(n, [x](int64_t begin, int64_t end) { return sum_range(x, begin, end); });
}

}  // namespace rela
