#include "kernels/gpu/elementwise.h"
#include "kernels/gpu/reduce.h"
#include "kernels/reduce/sum_of_squares.h"

namespace rela {
namespace {

/// Eight squares are added in f32, the rest in f64.
__global__ void __launch_bounds__(kReduceThreads)
    sum_of_squares_kernel(const float* x, FlatRange range, double* part) {
  double sum = 0;
  for_each_element(
      range,
      [&](int64_t i) {
        const F32x8 v = load8(x + i);
        float squares = 0;
#pragma unroll
        for (const float element : v.v) squares += element * element;
        sum += static_cast<double>(squares);
      },
      [&](int64_t i) {
        const float element = x[i];
        sum += static_cast<double>(element * element);
      });
  sum = block_sum(sum);
  if (threadIdx.x == 0) part[blockIdx.x] = sum;
}

}  // namespace

void sum_of_squares_cuda(const float* x, int64_t n, double* sum, Workspace workspace,
                         Stream stream) {
  double* part = static_cast<double*>(workspace.data);
  const unsigned blocks = reduce_blocks(n);
  simt::launch(sum_of_squares_kernel, {blocks, kReduceThreads}, stream, x, flat_range(n, x), part);
  simt::launch(sum_parts_kernel<double, double>, {1, kReduceThreads}, stream, part, blocks, 1.0,
               sum);
}

}  // namespace rela
