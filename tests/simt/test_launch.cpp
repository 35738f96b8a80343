#include "tests/simt/emulator_fixture.h"

namespace rela::test {
namespace {

__global__ void nothing_kernel() {}

std::string shape_error(dim3 grid, dim3 block, size_t shared = 0) {
  return error_of([&] { simt::launch(nothing_kernel, {grid, block, shared}, kTestStream); });
}

TEST(Launch, ShapesThatCudaRefusesAreRefusedAtOnce) {
  EXPECT_EQ(shape_error(1, 1024), "no error");
  EXPECT_EQ(shape_error({3, 2, 2}, {2, 3, 64}), "no error");
  EXPECT_THAT(shape_error(1, 1025), AllOf(HasSubstr("blocks of 1025 x 1 x 1 threads"),
                                          HasSubstr("tests/simt/test_launch.cpp:")));
  EXPECT_THAT(shape_error(1, {1, 1, 65}), HasSubstr("at most 64 in z"));
  EXPECT_THAT(shape_error(1, 0), HasSubstr("threads"));
  EXPECT_THAT(shape_error(0, 1), HasSubstr("grid of 0 x 1 x 1"));
  EXPECT_THAT(shape_error({1, 65536, 1}, 1), HasSubstr("grid of 1 x 65536 x 1"));
  EXPECT_EQ(shape_error(1, 1, 227 * 1024), "no error");
  EXPECT_THAT(shape_error(1, 1, 227 * 1024 + 1), HasSubstr("at most 227 KiB"));
}

__global__ void indices_kernel(int* out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned i = block * blockDim.x * blockDim.y * blockDim.z + thread;
  out[i] = static_cast<int>(i) + warpSize;
}

TEST(Launch, EveryThreadOfEveryBlockRunsOnceWithItsIndices) {
  for_each_schedule([] {
    const size_t n = size_t{2} * 3 * 2 * 5 * 7 * 2;
    DeviceArray<int> out(n);
    simt::launch(indices_kernel, {dim3(2, 3, 2), dim3(5, 7, 2)}, kTestStream, out.data());
    const auto got = out.download();
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(got[i], static_cast<int>(i) + 32);
  });
}

__global__ void types_kernel(float a, int64_t b, double c, double* out) {
  *out = static_cast<double>(a) + static_cast<double>(b) + c;
}

TEST(Launch, ArgumentsAreConvertedToTheKernelsTypes) {
  DeviceArray<double> out(size_t{1});
  simt::launch(types_kernel, {1, 1}, kTestStream, 1, 2, 3.5f, out.data());
  EXPECT_EQ(out.download()[0], 6.5);
}

// ---- atomics ----

struct Counters {
  int i;
  unsigned u;
  unsigned long long l;
  float f;
  double d;
  int high, low;
  unsigned ring, bits, kept;
  int first;
  float pair[2], quad[4];
};

__global__ void atomics_kernel(Counters* c) {
  const int i = static_cast<int>(threadIdx.x + blockIdx.x * blockDim.x);
  atomicAdd(&c->i, i);
  atomicAdd(&c->u, 1u);
  atomicAdd(&c->l, 1ull << 33);
  atomicAdd(&c->f, 0.5f);
  atomicAdd(&c->d, 0.25);
  atomicMax(&c->high, i);
  atomicMin(&c->low, -i);
  atomicInc(&c->ring, 6u);
  atomicOr(&c->bits, 1u << (i % 32));
  atomicAnd(&c->kept, ~(1u << (i % 8)));
  atomicCAS(&c->first, -1, 7);
  simt::atomic_add2(c->pair, make_float2(1, 2));
  simt::atomic_add4(c->quad, make_float4(1, 2, 3, 4));
}

TEST(Atomics, AddUpFromAllThreads) {
  for_each_schedule([] {
    Counters start{};
    start.first = -1;
    start.kept = ~0u;
    DeviceArray<Counters> c(std::vector<Counters>{start});
    simt::launch(atomics_kernel, {3, 40}, kTestStream, c.data());
    const Counters got = c.download()[0];
    EXPECT_EQ(got.i, 119 * 120 / 2);
    EXPECT_EQ(got.u, 120u);
    EXPECT_EQ(got.l, 120ull << 33);
    EXPECT_EQ(got.f, 60.0f);
    EXPECT_EQ(got.d, 30.0);
    EXPECT_EQ(got.high, 119);
    EXPECT_EQ(got.low, -119);
    EXPECT_EQ(got.ring, 120u % 7);
    EXPECT_EQ(got.bits, ~0u);
    EXPECT_EQ(got.kept, ~0xffu);
    EXPECT_EQ(got.first, 7);
    EXPECT_EQ(got.pair[1], 240.0f);
    EXPECT_EQ(got.quad[2], 360.0f);
  });
}

// ---- time ----

class TimeLimit : public ::testing::Test {
 protected:
  TimeLimit() { simt::options().max_seconds = 0.1; }
  ~TimeLimit() override { simt::options().max_seconds = before_; }
  double before_ = simt::options().max_seconds;
};

__global__ void polite_spin_kernel(int* flag) {
  while (atomicAdd(flag, 0) == 0) __nanosleep(20);
}
constexpr int kSpinLine = __LINE__ + 2;
__global__ void rude_spin_kernel(int* flag) {
  __syncthreads();
  while (atomicAdd(flag, 0) == 0) {
  }
}

TEST_F(TimeLimit, StopsALoopThatWaitsForever) {
  DeviceArray<int> flag(std::vector<int>{0});
  EXPECT_THAT(error_of([&] {
                simt::launch(polite_spin_kernel, {1, 2}, kTestStream, flag.data());
              }),
              AllOf(HasSubstr("runs too long"), HasSubstr("block (0,0,0) thread ("),
                    HasSubstr("launched at tests/simt/test_launch.cpp:")));
}

TEST_F(TimeLimit, StopsALoopThatNeverLetsOthersRun) {
  if (simt::kTsan) GTEST_SKIP() << "ThreadSanitizer delays signals until the next system call";
  DeviceArray<int> flag(std::vector<int>{0});
  EXPECT_THAT(error_of([&] {
                simt::launch(rude_spin_kernel, {1, 2}, kTestStream, flag.data());
              }),
              AllOf(HasSubstr("runs too long"), HasSubstr(at_line(__FILE__, kSpinLine))));
  simt::launch(nothing_kernel, {1, 32}, kTestStream);
  simt::device_synchronize();
}

// ---- math ----

__global__ void math_kernel(const float* x, float* out) {
  const int i = static_cast<int>(threadIdx.x) * 8;
  const float v = x[threadIdx.x];
  out[i] = __expf(v);
  out[i + 1] = __logf(fabsf(v) + 1);
  out[i + 2] = rsqrtf(fabsf(v) + 1);
  out[i + 3] = __fdividef(v, 3.0f);
  out[i + 4] = __uint_as_float(__float_as_uint(v));
  out[i + 5] = static_cast<float>(__popc(0xf0f0u) + __ffs(8) + __clz(1));
  out[i + 6] = __saturatef(v);
  out[i + 7] = static_cast<float>(min(v, 1) + max(2, 3u));
}

TEST(Math, AgreesWithTheHost) {
  const std::vector<float> x{-20, -1, -0.25f, 0, 0.5f, 1, 10, 50};
  DeviceArray<float> out(x.size() * 8);
  const DeviceArray<float> in(x);
  simt::launch(math_kernel, {1, 8}, kTestStream, in.data(), out.data());
  const auto got = out.download();
  for (size_t i = 0; i < x.size(); ++i) {
    const double v = x[i];
    const double exact[8] = {std::exp(v),
                             std::log(std::fabs(v) + 1),
                             1 / std::sqrt(std::fabs(v) + 1),
                             v / 3,
                             v,
                             8 + 4 + 31,
                             std::clamp(v, 0.0, 1.0),
                             std::min(v, 1.0) + 3};
    for (size_t k = 0; k < 8; ++k) {
      EXPECT_NEAR(got[i * 8 + k], exact[k], 1e-5 * std::fabs(exact[k]) + 1e-7) << v << " " << k;
    }
  }
}

}  // namespace
}  // namespace rela::test
