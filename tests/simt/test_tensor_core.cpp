#include "tests/simt/emulator_fixture.h"

namespace rela::test {
namespace {

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

enum class Skip { kWait, kBarrier };

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

TEST(AsyncCopy, WithoutTheWaitTheTargetIsUnwritten) {
  if (kThreadSanitizer)
    GTEST_SKIP() << "races on purpose; test_races.cpp has them for the sanitizer";
  const PoisonGuard nan(0xff);  // stays NaN in the sum
  for_each_schedule([] { EXPECT_TRUE(std::isnan(run_pipeline(Skip::kWait)[0])); });
}

TEST(AsyncCopy, WithoutTheBarrierOthersSeeNan) {
  if (kThreadSanitizer)
    GTEST_SKIP() << "races on purpose; test_races.cpp has them for the sanitizer";
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
