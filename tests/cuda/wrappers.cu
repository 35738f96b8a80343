#include "tests/cuda/wrappers.h"

#include "kernels/gpu/storage.h"

namespace rela::test {
namespace {

template <class T>
__device__ unsigned pair_of(const T* low, const T* high) {
  return low->bits | static_cast<unsigned>(high->bits) << 16;
}

/// Fragments laid out as in the PTX manual's figures for m16n8k16.
template <class T>
__global__ void __launch_bounds__(32) mma_kernel(const T* a, const T* b, float* c) {
  const unsigned group = threadIdx.x >> 2;
  const unsigned in_group = threadIdx.x & 3;
  unsigned fa[4];
  unsigned fb[2];
  float acc[4];
  for (unsigned r = 0; r < 4; ++r) {
    const unsigned row = group + (r & 1) * 8;
    const unsigned column = in_group * 2 + (r >> 1) * 8;
    fa[r] = pair_of(&a[row * 16 + column], &a[row * 16 + column + 1]);
  }
  for (unsigned r = 0; r < 2; ++r) {
    const unsigned row = in_group * 2 + r * 8;
    fb[r] = pair_of(&b[row * 8 + group], &b[(row + 1) * 8 + group]);
  }
  float* mine = c + group * 8 + in_group * 2;
  for (unsigned r = 0; r < 4; ++r) acc[r] = mine[(r >> 1) * 64 + (r & 1)];
  mma_m16n8k16<T>(acc, fa, fb, acc);
  for (unsigned r = 0; r < 4; ++r) mine[(r >> 1) * 64 + (r & 1)] = acc[r];
}

__global__ void __launch_bounds__(32)
    ldmatrix_kernel(const uint16_t* x, Ldmatrix variant, uint16_t* out) {
  SIMT_SHARED(__align__(16) uint16_t, tile, [4 * 64]);
  const unsigned lane = threadIdx.x;
  for (unsigned i = lane; i < 4 * 64; i += 32) tile[i] = x[i];
  __syncwarp();  // the tiles are complete
  unsigned four[4] = {};
  unsigned two[2] = {};
  const uint16_t* row = &tile[lane * 8];
  const uint16_t* row_of_two = &tile[lane % 16 * 8];
  if (variant == Ldmatrix::kX4) simt::ldmatrix_x4(four, row);
  if (variant == Ldmatrix::kX4Transposed) simt::ldmatrix_x4_transposed(four, row);
  if (variant == Ldmatrix::kX2) simt::ldmatrix_x2(two, row_of_two);
  if (variant == Ldmatrix::kX2Transposed) simt::ldmatrix_x2_transposed(two, row_of_two);
  for (unsigned r = 0; r < 4; ++r) {
    const unsigned pair = four[r] | (r < 2 ? two[r] : 0u);
    out[lane * 8 + r * 2] = static_cast<uint16_t>(pair);
    out[lane * 8 + r * 2 + 1] = static_cast<uint16_t>(pair >> 16);
  }
}

__global__ void __launch_bounds__(32) pipeline_kernel(const float* x, int chunks, float* out) {
  SIMT_SHARED(__align__(16) float, buffer, [2][128]);
  const int t = static_cast<int>(threadIdx.x);
  float sum = 0;
  simt::cp_async16(&buffer[0][t * 4], x + t * 4);
  simt::cp_async_commit();
  for (int c = 0; c < chunks; ++c) {
    if (c + 1 < chunks) simt::cp_async16(&buffer[(c + 1) % 2][t * 4], x + (c + 1) * 128 + t * 4);
    simt::cp_async_commit();
    simt::cp_async_wait<1>();  // chunk c has arrived
    __syncthreads();           // for all threads
    for (int k = 0; k < 4; ++k) sum += buffer[c % 2][k * 32 + t];
    __syncthreads();  // the buffer may be filled again
  }
  simt::cp_async_wait<0>();  // nothing may be in flight at the end
  out[t] = sum;
}

__global__ void __launch_bounds__(32)
    shuffle_kernel(const float* x, ShuffleKind kind, int argument, int width, float* out) {
  constexpr unsigned kAll = 0xffffffffu;
  const float mine = x[threadIdx.x];
  const auto distance = static_cast<unsigned>(argument);
  float got = 0;
  if (kind == ShuffleKind::kIndex) got = __shfl_sync(kAll, mine, argument, width);
  if (kind == ShuffleKind::kUp) got = __shfl_up_sync(kAll, mine, distance, width);
  if (kind == ShuffleKind::kDown) got = __shfl_down_sync(kAll, mine, distance, width);
  if (kind == ShuffleKind::kXor) got = __shfl_xor_sync(kAll, mine, argument, width);
  out[threadIdx.x] = got;
}

__global__ void __launch_bounds__(32) reduce_kernel(const unsigned* x, unsigned* out) {
  constexpr unsigned kAll = 0xffffffffu;
  const unsigned mine = x[threadIdx.x];
  const int odd = static_cast<int>(mine & 1);
  const unsigned results[9] = {__reduce_add_sync(kAll, mine),
                               __reduce_min_sync(kAll, mine),
                               __reduce_max_sync(kAll, mine),
                               __reduce_and_sync(kAll, mine),
                               __reduce_or_sync(kAll, mine),
                               __reduce_xor_sync(kAll, mine),
                               __ballot_sync(kAll, odd),
                               static_cast<unsigned>(__any_sync(kAll, odd)),
                               static_cast<unsigned>(__all_sync(kAll, odd))};
  if (threadIdx.x < 9) {
    for (unsigned i = 0; i < 9; ++i) {
      if (i == threadIdx.x) out[i] = results[i];
    }
  }
}

__global__ void __launch_bounds__(64)
    copy_and_add_kernel(const float* x, float* y, int quads, float* sum) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= quads) return;
  const auto v = simt::load16_streaming<float4>(x + i * 4);
  simt::store16_streaming(y + i * 4, v);
  simt::atomic_add4(sum, v);
  simt::atomic_add2(sum + 4, make_float2(v.x, v.y));
}

__global__ void __launch_bounds__(32) grid_sums_kernel(int* partial, int* out) {
  const int block = static_cast<int>(blockIdx.x);
  if (threadIdx.x == 0) partial[block] = block + 1;
  simt::grid_sync();  // every block's part is written
  if (threadIdx.x != 0) return;
  int sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += partial[i];
  out[block] = sum;
}

__constant__ float constant;
__global__ void __launch_bounds__(1) constant_kernel(float* out) { *out = constant; }

}  // namespace

void mma_tile(const Bf16* a, const Bf16* b, float* c, Stream stream) {
  simt::launch(mma_kernel<Bf16>, {1, 32}, stream, a, b, c);
}
void mma_tile(const F16* a, const F16* b, float* c, Stream stream) {
  simt::launch(mma_kernel<F16>, {1, 32}, stream, a, b, c);
}
void load_tiles(const uint16_t* x, Ldmatrix variant, uint16_t* out, Stream stream) {
  simt::launch(ldmatrix_kernel, {1, 32}, stream, x, variant, out);
}
void pipeline_sum(const float* x, int chunks, float* out, Stream stream) {
  simt::launch(pipeline_kernel, {1, 32}, stream, x, chunks, out);
}
void shuffle(const float* x, ShuffleKind kind, int argument, int width, float* out, Stream stream) {
  simt::launch(shuffle_kernel, {1, 32}, stream, x, kind, argument, width, out);
}
void reduce_warp(const unsigned* x, unsigned* out, Stream stream) {
  simt::launch(reduce_kernel, {1, 32}, stream, x, out);
}
void copy_and_add(const float* x, float* y, int n, float* sum, Stream stream) {
  const int quads = n / 4;
  simt::launch(copy_and_add_kernel, {static_cast<unsigned>((quads + 63) / 64), 64}, stream, x, y,
               quads, sum);
}
void grid_sums(int blocks, int* partial, int* out, Stream stream) {
  simt::launch_cooperative(grid_sums_kernel, {static_cast<unsigned>(blocks), 32}, stream, partial,
                           out);
}
void through_constant(float value, float* out, Stream stream) {
  simt::copy_to_symbol(constant, value, stream);
  simt::launch(constant_kernel, {1, 1}, stream, out);
}

}  // namespace rela::test
