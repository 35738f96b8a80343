#include "kernels/gpu/elementwise.h"
#include "kernels/random/random_bits.h"

namespace rela {
namespace {

/// One block of the stream, four words, per thread.
__global__ void __launch_bounds__(kElementwiseThreads)
    random_bits_kernel(uint32_t* bits, int64_t n, RandomKey name, bool aligned) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t block = first; 4 * block < n; block += step) {
    const PhiloxCounter words =
        philox4x32_10(philox_counter(name, static_cast<uint32_t>(block)), philox_key(name));
    const int64_t i = 4 * block;
    if (aligned && i + 4 <= n) {
      simt::store16(bits + i, make_uint4(words[0], words[1], words[2], words[3]));
    } else {
      for (int64_t k = 0; k < 4 && i + k < n; ++k) bits[i + k] = words[static_cast<size_t>(k)];
    }
  }
}

}  // namespace

void random_bits_cuda(uint32_t* bits, int64_t n, const RandomKey& name, Stream stream) {
  if (n == 0) return;
  const FlatRange words{.n = ceil_div(n, 4), .vectors = 0};
  simt::launch(random_bits_kernel, {elementwise_blocks(words), kElementwiseThreads}, stream, bits,
               n, name, aligned16(bits));
}

}  // namespace rela
