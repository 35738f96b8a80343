#include <random>

#include "tests/simt/emulator_test.h"

namespace rela::test {
namespace {

/// Small integers: exact in bf16, and their products and sums in f32.
std::vector<Bf16> integers(size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Bf16> v(n);
  for (Bf16& x : v) x = to_bf16(static_cast<float>(random() % 17) - 8);
  return v;
}

__device__ unsigned pair_of(const Bf16* low, const Bf16* high) {
  return low->bits | static_cast<unsigned>(high->bits) << 16;
}

/// c[16, 8] += a[16, 16] b[16, 8], fragments as the PTX manual's figures for m16n8k16 have them.
__global__ void mma_kernel(const Bf16* a, const Bf16* b, float* c) {
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
  for (unsigned r = 0; r < 4; ++r) {
    acc[r] = c[(group + (r >> 1) * 8) * 8 + in_group * 2 + (r & 1)];
  }
  simt::mma_m16n8k16_bf16(acc, fa, fb, acc);
  for (unsigned r = 0; r < 4; ++r) {
    c[(group + (r >> 1) * 8) * 8 + in_group * 2 + (r & 1)] = acc[r];
  }
}

TEST(TensorCore, MmaMultipliesAndAdds) {
  const auto a = integers(16 * 16, 1);
  const auto b = integers(16 * 8, 2);
  std::vector<float> c(16 * 8);
  for (size_t i = 0; i < c.size(); ++i) c[i] = static_cast<float>(i) - 60;
  std::vector<float> want = c;
  for (size_t i = 0; i < 16; ++i) {
    for (size_t j = 0; j < 8; ++j) {
      for (size_t k = 0; k < 16; ++k) {
        want[i * 8 + j] += to_float(a[i * 16 + k]) * to_float(b[k * 8 + j]);
      }
    }
  }
  for_each_schedule([&] {
    const DeviceArray<Bf16> da(a);
    const DeviceArray<Bf16> db(b);
    DeviceArray<float> dc(c);
    simt::launch(mma_kernel, {1, 32}, kTestStream, da.data(), db.data(), dc.data());
    EXPECT_EQ(dc.download(), want);
  });
}

constexpr int kMmaLine = __LINE__ + 5;
__global__ void partial_mma_kernel() {
  const unsigned a[4] = {};
  const unsigned b[2] = {};
  float c[4] = {};
  if (threadIdx.x != 3) simt::mma_m16n8k16_bf16(c, a, b, c);
}

TEST(TensorCore, MmaNeedsTheWholeWarp) {
  for_each_schedule([] {
    EXPECT_THAT(error_of([] {
                  simt::launch(partial_mma_kernel, {1, 32}, kTestStream);
                }),
                AllOf(HasSubstr("returned"), HasSubstr(at_line(__FILE__, kMmaLine))));
  });
}

/// Tile t of `tiles` starts at element 64 t of x, rows of 8.
__global__ void ldmatrix_kernel(const uint16_t* x, int variant, uint16_t* out) {
  SIMT_SHARED(__align__(16) uint16_t, tile, [4 * 64]);
  const unsigned lane = threadIdx.x;
  for (unsigned i = lane; i < 4 * 64; i += 32) tile[i] = x[i];
  __syncwarp();
  unsigned four[4] = {};
  unsigned two[2] = {};
  const uint16_t* row = &tile[lane * 8];
  const uint16_t* row_of_two = &tile[lane % 16 * 8];
  if (variant == 0) simt::ldmatrix_x4(four, row);
  if (variant == 1) simt::ldmatrix_x4_transposed(four, row);
  if (variant == 2) simt::ldmatrix_x2(two, row_of_two);
  if (variant == 3) simt::ldmatrix_x2_transposed(two, row_of_two);
  if (variant >= 2) four[0] = two[0];
  if (variant >= 2) four[1] = two[1];
  for (unsigned r = 0; r < 4; ++r) {
    out[lane * 8 + r * 2] = static_cast<uint16_t>(four[r]);
    out[lane * 8 + r * 2 + 1] = static_cast<uint16_t>(four[r] >> 16);
  }
}

TEST(TensorCore, LdmatrixDistributesTilesAsDocumented) {
  std::vector<uint16_t> x(4 * 64);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint16_t>(i * 131 + 7);
  for_each_schedule([&] {
    for (const int variant : {0, 1, 2, 3}) {
      const DeviceArray<uint16_t> in(x);
      DeviceArray<uint16_t> out(size_t{32 * 8});
      simt::launch(ldmatrix_kernel, {1, 32}, kTestStream, in.data(), variant, out.data());
      const auto got = out.download();
      for (size_t lane = 0; lane < 32; ++lane) {
        for (size_t tile = 0; tile < (variant < 2 ? 4u : 2u); ++tile) {
          for (size_t half = 0; half < 2; ++half) {
            size_t row = lane / 4;
            size_t column = lane % 4 * 2 + half;
            if (variant % 2 == 1) std::swap(row, column);
            ASSERT_EQ(got[lane * 8 + tile * 2 + half], x[tile * 64 + row * 8 + column])
                << "variant " << variant << " lane " << lane << " tile " << tile;
          }
        }
      }
    }
  });
}

constexpr int kLdmatrixLine = __LINE__ + 5;
__global__ void misaligned_ldmatrix_kernel(unsigned* out) {
  SIMT_SHARED(__align__(16) uint16_t, tile, [4 * 64 + 8]);
  unsigned four[4];
  tile[threadIdx.x] = 0;
  simt::ldmatrix_x4(four, &tile[threadIdx.x * 8 + (threadIdx.x == 9 ? 1 : 0)]);
  out[threadIdx.x] = four[0];
}

TEST(TensorCore, LdmatrixNeedsAlignedRows) {
  DeviceArray<unsigned> out(size_t{32});
  EXPECT_THAT(error_of([&] {
                simt::launch(misaligned_ldmatrix_kernel, {1, 32}, kTestStream, out.data());
              }),
              AllOf(HasSubstr("misaligned row"), HasSubstr(at_line(__FILE__, kLdmatrixLine))));
}

// ---- cp.async ----

enum class Skip { kNothing, kWait, kBarrier };

/// Sums chunks of 128 through two buffers; thread t reads what its neighbours copied.
__global__ void pipeline_kernel(const float* x, float* out, int chunks, Skip skip) {
  SIMT_SHARED(__align__(16) float, buffer, [2][128]);
  const int t = static_cast<int>(threadIdx.x);
  float sum = 0;
  simt::cp_async16(&buffer[0][t * 4], x + t * 4);
  simt::cp_async_commit();
  for (int c = 0; c < chunks; ++c) {
    if (c + 1 < chunks) simt::cp_async16(&buffer[(c + 1) % 2][t * 4], x + (c + 1) * 128 + t * 4);
    simt::cp_async_commit();
    if (skip != Skip::kWait) simt::cp_async_wait<1>();
    if (skip != Skip::kBarrier) __syncthreads();
    for (int k = 0; k < 4; ++k) sum += buffer[c % 2][k * 32 + t];
    __syncthreads();
  }
  simt::cp_async_wait<0>();
  out[t] = sum;
}

std::vector<float> run_pipeline(Skip skip) {
  std::vector<float> x(3 * 128);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 31);
  const DeviceArray<float> in(x);
  DeviceArray<float> out(size_t{32});
  simt::launch(pipeline_kernel, {1, 32}, kTestStream, in.data(), out.data(), 3, skip);
  std::vector<float> got = out.download();
  for (size_t t = 0; t < 32; ++t) {
    for (size_t i = t; i < x.size(); i += 32) got[t] -= x[i];
  }
  return got;
}

TEST(AsyncCopy, ArrivesAtTheWait) {
  for_each_schedule([] {
    for (const float difference : run_pipeline(Skip::kNothing)) EXPECT_EQ(difference, 0);
  });
}

TEST(AsyncCopy, WithoutTheWaitTheTargetIsNan) {
  for_each_schedule([] { EXPECT_TRUE(std::isnan(run_pipeline(Skip::kWait)[0])); });
}

TEST(AsyncCopy, WithoutTheBarrierOthersSeeNan) {
  int wrong = 0;
  for_each_schedule([&] {
    for (const float difference : run_pipeline(Skip::kBarrier)) wrong += difference != 0 ? 1 : 0;
  });
  EXPECT_GT(wrong, 0);
}

__global__ void in_flight_kernel(const float* x) {
  SIMT_SHARED(__align__(16) float, buffer, [4]);
  simt::cp_async16(buffer, x);
  simt::cp_async_commit();
}
constexpr int kMisalignedLine = __LINE__ + 3;
__global__ void misaligned_copy_kernel(const float* x) {
  SIMT_SHARED(__align__(16) float, buffer, [4]);
  simt::cp_async16(buffer, x + 1);
}

TEST(AsyncCopy, MayNotBeInFlightWhenTheThreadReturns) {
  const DeviceArray<float> x(std::vector<float>(8));
  EXPECT_THAT(error_of([&] {
                simt::launch(in_flight_kernel, {1, 1}, kTestStream, x.data());
              }),
              HasSubstr("asynchronous copies in flight"));
}

TEST(AsyncCopy, NeedsAlignedAddresses) {
  const DeviceArray<float> x(std::vector<float>(8));
  EXPECT_THAT(error_of([&] {
                simt::launch(misaligned_copy_kernel, {1, 1}, kTestStream, x.data());
              }),
              AllOf(HasSubstr("misaligned"), HasSubstr(at_line(__FILE__, kMisalignedLine))));
}

}  // namespace
}  // namespace rela::test
