#include "kernels/gpu/elementwise.h"
#include "kernels/gpu/reduce.h"
#include "kernels/reduce/count_nonfinite.h"

namespace rela {
namespace {

/// Tests the bits: an exponent of all ones.
__device__ inline int is_nonfinite(float x) {
  return (__float_as_uint(x) & 0x7f800000u) == 0x7f800000u ? 1 : 0;
}

template <class T>
__global__ void __launch_bounds__(kReduceThreads)
    count_nonfinite_kernel(const T* x, FlatRange range, int64_t* part) {
  int64_t count = 0;
  for_each_element(
      range,
      [&](int64_t i) {
        const F32x8 v = load8(x + i);
        int found = 0;
#pragma unroll
        for (const float element : v.v) found += is_nonfinite(element);
        count += found;
      },
      [&](int64_t i) { count += is_nonfinite(load_f32(x + i)); });
  count = block_sum(count);
  if (threadIdx.x == 0) part[blockIdx.x] = count;
}

}  // namespace

void count_nonfinite_cuda(const void* x, int64_t n, Dtype dtype, int64_t* count,
                          Workspace workspace, Stream stream) {
  int64_t* part = static_cast<int64_t*>(workspace.data);
  const unsigned blocks = reduce_blocks(n);
  with_storage_type(dtype, [&]<class T>(T*) {
    simt::launch(count_nonfinite_kernel<T>, {blocks, kReduceThreads}, stream,
                 static_cast<const T*>(x), flat_range(n, x), part);
  });
  simt::launch(sum_parts_kernel<int64_t, int64_t>, {1, kReduceThreads}, stream, part, blocks,
               int64_t{1}, count);
}

}  // namespace rela
