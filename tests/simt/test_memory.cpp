#include "kernels/simt/emulator/sanitizers.h"
#include "tests/simt/emulator_fixture.h"

namespace rela::test {
namespace {

__global__ void read_shared_kernel(float* out) {
  SIMT_SHARED(float, part, [4]);
  SIMT_DYN_SHARED(float, more);
  out[blockIdx.x * 4 + threadIdx.x] = threadIdx.x < 2 ? part[threadIdx.x] : more[threadIdx.x];
  part[threadIdx.x] = 1;  // must not be visible to the next block
  more[threadIdx.x] = 1;
}

TEST(SharedMemory, StartsUnwrittenInEveryBlock) {
  for_each_schedule([] {
    DeviceArray<float> out(std::vector<float>(12, 0.0f));
    simt::launch(read_shared_kernel, {3, 4, 16}, kTestStream, out.data());
    for (const float v : out.download()) EXPECT_TRUE(is_unwritten(v));
  });
}

/// A sign that nobody has set: under one poison it is negative, under another it is not.
__global__ void unwritten_sign_kernel(int* out) {
  SIMT_SHARED(int, sign, [2]);
  out[threadIdx.x] = sign[threadIdx.x] < 0 ? 1 : 2;
}

TEST(SharedMemory, WhatDependsOnUnwrittenMemoryDependsOnThePoison) {
  DeviceArray<int> out(size_t{2});
  std::vector<int> seen;
  for (const unsigned char poison : {0xff, 0x7f}) {
    const PoisonGuard guard(poison);
    simt::launch(unwritten_sign_kernel, {1, 2}, kTestStream, out.data());
    seen.push_back(out.download()[1]);
  }
  EXPECT_THAT(seen, ::testing::ElementsAre(1, 2));
}

__global__ void many_arrays_kernel(int* out) {
  SIMT_SHARED(int, a, [3][5]);
  SIMT_SHARED(double, b, [7]);
  SIMT_SHARED(char, c);
  SIMT_DYN_SHARED(int, d);
  if (threadIdx.x == 0) {
    for (int i = 0; i < 15; ++i) a[i / 5][i % 5] = i;
    for (int i = 0; i < 7; ++i) b[i] = 100 + i;
    c = 50;
    d[0] = 1000;
  }
  __syncthreads();
  const auto address = reinterpret_cast<uintptr_t>(d);
  out[threadIdx.x] = a[2][4] + static_cast<int>(b[6]) + c + d[0] + static_cast<int>(address % 128);
}

TEST(SharedMemory, HoldsArraysOfAnyTypeAndShape) {
  for_each_schedule([] {
    DeviceArray<int> out(size_t{33});
    simt::launch(many_arrays_kernel, {1, 33, 4}, kTestStream, out.data());
    for (const int v : out.download()) EXPECT_EQ(v, 14 + 106 + 50 + 1000);
  });
}

__global__ void overrun_kernel(int extra) {
  SIMT_SHARED(int, narrow, [8]);
  volatile int* p = &narrow[0];
  for (int i = 0; i < 8 + extra; ++i) p[i] = i;
}

TEST(SharedMemory, AWritePastTheEndNamesTheArray) {
  if (simt::kSanitized) GTEST_SKIP() << "AddressSanitizer reports it itself and ends the process";
  EXPECT_THAT(error_of([] {
                simt::launch(overrun_kernel, {2, 1}, kTestStream, 1);
              }),
              AllOf(HasSubstr("past the end of narrow (32 bytes), at byte 32"),
                    HasSubstr("test_memory.cpp:")));
  EXPECT_EQ(error_of([] { simt::launch(overrun_kernel, {2, 1}, kTestStream, 0); }), "no error");
}

__global__ void static_limit_kernel() {
  SIMT_SHARED(float, big, [12 * 1024]);
  SIMT_SHARED(float, straw, [1]);
  big[0] = straw[0] = 0;
}

TEST(SharedMemory, StaticArraysMayNotExceed48KiB) {
  EXPECT_THAT(error_of([] {
                simt::launch(static_limit_kernel, {1, 1}, kTestStream);
              }),
              HasSubstr("reaches 49156 bytes with straw"));
}

__global__ void needs_dynamic_kernel() {
  SIMT_DYN_SHARED(float, row);
  row[0] = 0;
}

TEST(SharedMemory, DynamicMemoryMustBeAskedForAtLaunch) {
  EXPECT_THAT(error_of([] {
                simt::launch(needs_dynamic_kernel, {1, 1}, kTestStream);
              }),
              HasSubstr("the launch gave none"));
}

// ---- device memory ----

__global__ void write_kernel(int* p, int64_t index) { p[index] = 1; }
__global__ void read_kernel(const int* p, int64_t index, int* out) { *out = p[index]; }

TEST(DeviceMemory, StartsUnwritten) {
  const DeviceArray<float> x(size_t{5});
  for (const float v : x.download()) EXPECT_TRUE(is_unwritten(v));
}

TEST(DeviceMemory, AnAccessPastTheEndNamesThreadAndOffset) {
  if (simt::kSanitized) GTEST_SKIP() << "the sanitizer reports it itself and ends the process";
  DeviceArray<int> x(size_t{4});
  EXPECT_THAT(error_of([&] {
                simt::launch(write_kernel, {1, 1}, kTestStream, x.data(), 4);
              }),
              AllOf(HasSubstr("block (0,0,0) thread (0,0,0): invalid access"),
                    HasSubstr("offset 16 of a 16-byte device allocation"),
                    HasSubstr("launched at tests/simt/test_memory.cpp:")));
  DeviceArray<int> out(size_t{1});
  EXPECT_THAT(error_of([&] {
                simt::launch(read_kernel, {1, 1}, kTestStream, x.data(), 4, out.data());
              }),
              HasSubstr("invalid access"));
  simt::launch(write_kernel, {1, 1}, kTestStream, x.data(), 3);
  EXPECT_EQ(x.download()[3], 1);
}

TEST(DeviceMemory, AnAccessFarOutsideIsAnErrorToo) {
  if (simt::kSanitized) GTEST_SKIP() << "the sanitizer reports it itself and ends the process";
  EXPECT_THAT(error_of([] {
                simt::launch(write_kernel, {1, 1}, kTestStream, static_cast<int*>(nullptr), 4);
              }),
              HasSubstr("is no device memory"));
}

TEST(DeviceMemory, AWriteInFrontIsFoundAtTheLatestWhenFreed) {
  if (simt::kSanitized) GTEST_SKIP() << "the sanitizer reports it itself and ends the process";
  int* p = static_cast<int*>(simt::device_malloc(12));
  simt::launch(write_kernel, {1, 1}, kTestStream, p, -1);
  EXPECT_THAT(error_of([&] { simt::device_free(p); }),
              HasSubstr("outside an allocation of 12 bytes"));
}

TEST(DeviceMemory, FreeingWhatIsNotDeviceMemoryIsAnError) {
  int host = 0;
  EXPECT_THAT(error_of([&] { simt::device_free(&host); }), HasSubstr("not a device allocation"));
}

TEST(DeviceMemory, MoreThanThereIsGivesNull) {
  const simt::Options before = simt::options();
  simt::options().device.memory_bytes = 10000;
  void* p = simt::device_malloc(9000);
  EXPECT_NE(p, nullptr);
  EXPECT_EQ(simt::device_memory().free_bytes, 1000u);
  EXPECT_EQ(simt::device_malloc(1001), nullptr);
  simt::device_free(p);
  EXPECT_EQ(simt::device_memory().free_bytes, 10000u);
  simt::options() = before;
}

__global__ void overflow_kernel(int depth, volatile char* out) {
  volatile char frame[512];  // a larger one could step over the guard page
  frame[0] = static_cast<char>(depth);
  if (depth > 0) overflow_kernel(depth - 1, frame);
  if (out != nullptr) out[0] = frame[0];
}

TEST(DeviceMemory, AStackOverflowIsAnError) {
  if (simt::kSanitized) GTEST_SKIP() << "the sanitizer reports it itself and ends the process";
  EXPECT_THAT(error_of([] {
                simt::launch(overflow_kernel, {1, 1}, kTestStream, 100000,
                             static_cast<volatile char*>(nullptr));
              }),
              HasSubstr("stack overflowed"));
}

__global__ void divide_kernel(int a, int b, int* out) { *out = a / b; }

TEST(DeviceMemory, AnIntegerDivisionByZeroIsAnError) {
  if (simt::kSanitized) GTEST_SKIP() << "the sanitizer reports it itself and ends the process";
  DeviceArray<int> out(size_t{1});
  EXPECT_THAT(error_of([&] {
                simt::launch(divide_kernel, {1, 1}, kTestStream, 5, 0, out.data());
              }),
              HasSubstr("division by zero"));
}

// ---- arguments ----

struct Lists {
  const float* x[3];
  int64_t n;
  float* y;
};
__global__ void lists_kernel(Lists lists, float a) {
  lists.y[0] = lists.x[1][0] * a + static_cast<float>(lists.n);
}

TEST(Arguments, AHostPointerIsRefusedAtLaunch) {
  int host = 0;
  EXPECT_THAT(error_of([&] {
                simt::launch(write_kernel, {1, 1}, kTestStream, &host, 0);
              }),
              AllOf(HasSubstr("argument 0"), HasSubstr("test_memory.cpp:"),
                    HasSubstr("not a device pointer")));
}

TEST(Arguments, AHostPointerInsideAStructIsRefusedAtLaunch) {
  if (simt::kSanitized)
    GTEST_SKIP() << "not checked under sanitizers, whose shadow lies at any number";
  const DeviceArray<float> x(std::vector<float>{3});
  DeviceArray<float> y(size_t{1});
  const Lists good{{nullptr, x.data(), nullptr}, int64_t{1} << 40, y.data()};
  simt::launch(lists_kernel, {1, 1}, kTestStream, good, 2);
  EXPECT_EQ(y.download()[0], 6.0f + 1099511627776.0f);
  const std::vector<float> host(100);
  Lists bad = good;
  bad.x[2] = host.data();
  EXPECT_THAT(error_of([&] {
                simt::launch(lists_kernel, {1, 1}, kTestStream, bad, 2);
              }),
              AllOf(HasSubstr("argument 0"), HasSubstr("host pointer at byte 16")));
  float on_stack = 0;
  bad = good;
  bad.y = &on_stack;
  EXPECT_THAT(error_of([&] {
                simt::launch(lists_kernel, {1, 1}, kTestStream, bad, 2);
              }),
              HasSubstr("host pointer at byte 32"));
}

struct Padded {
  int64_t a;
  int b;  // and four bytes of padding
};
struct Overlay {  // what may be in a Padded's storage before
  int64_t a;
  const void* p;
};
__global__ void padded_kernel(Padded padded, int64_t* out) { *out = padded.a + padded.b; }

TEST(Arguments, WhatLiesInPaddingIsNoPointer) {
  DeviceArray<int64_t> out(size_t{1});
  const std::vector<char> host(100);
  alignas(8) unsigned char storage[sizeof(Overlay)];
  const Overlay before{1, host.data()};
  std::memcpy(storage, &before, sizeof(before));
  auto* padded = reinterpret_cast<Padded*>(storage);  // b is the lower half of the host's address
  simt::launch(padded_kernel, {1, 1}, kTestStream, *padded, out.data());
  EXPECT_EQ(out.download()[0], 1 + padded->b);
}

// ---- 16 bytes ----

constexpr int kLoadLine = __LINE__ + 1;
__global__ void load16_kernel(const float* p, float4* out) { *out = simt::load16<float4>(p); }
constexpr int kStoreLine = __LINE__ + 1;
__global__ void store16_kernel(float* p) { simt::store16_streaming(p, make_float4(1, 2, 3, 4)); }

TEST(SixteenBytes, AMisalignedAccessIsAnErrorWithItsLine) {
  DeviceArray<float> x(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
  DeviceArray<float4> out(size_t{1});
  simt::launch(load16_kernel, {1, 1}, kTestStream, x.data() + 4, out.data());
  EXPECT_EQ(out.download()[0].w, 8);
  EXPECT_THAT(error_of([&] {
                simt::launch(load16_kernel, {1, 1}, kTestStream, x.data() + 1, out.data());
              }),
              AllOf(HasSubstr("16-byte load of misaligned address"),
                    HasSubstr(at_line(__FILE__, kLoadLine))));
  EXPECT_THAT(error_of([&] {
                simt::launch(store16_kernel, {1, 1}, kTestStream, x.data() + 2);
              }),
              AllOf(HasSubstr("16-byte store of misaligned address"),
                    HasSubstr(at_line(__FILE__, kStoreLine))));
}

constexpr int kSharedStoreLine = __LINE__ + 3;
__global__ void store16_global_kernel(float4* p, bool to_shared) {
  SIMT_SHARED(float4, shared, [2]);
  simt::store16_global(to_shared ? &shared[1] : p, make_float4(1, 2, 3, 4));
}

TEST(SixteenBytes, AStoreToGlobalMemoryRefusesSharedMemory) {
  DeviceArray<float4> out(size_t{1});
  simt::launch(store16_global_kernel, {1, 1}, kTestStream, out.data(), false);
  EXPECT_EQ(out.download()[0].w, 4);
  EXPECT_THAT(error_of([&] {
                simt::launch(store16_global_kernel, {1, 1}, kTestStream, out.data(), true);
              }),
              AllOf(HasSubstr("store16_global to shared memory"),
                    HasSubstr(at_line(__FILE__, kSharedStoreLine))));
}

// ---- constants ----

struct Coefficients {
  float a, b;
};
__constant__ Coefficients coefficients;
__global__ void constant_kernel(float* out) { *out = coefficients.a * 10 + coefficients.b; }

TEST(Constants, AreSetInStreamOrder) {
  DeviceArray<float> out(size_t{2});
  simt::copy_to_symbol(coefficients, {1, 2}, kTestStream);
  simt::launch(constant_kernel, {1, 1}, kTestStream, out.data());
  simt::copy_to_symbol(coefficients, {3, 4}, kTestStream);
  simt::launch(constant_kernel, {1, 1}, kTestStream, out.data() + 1);
  EXPECT_EQ(out.download(), (std::vector<float>{12, 34}));
}

}  // namespace
}  // namespace rela::test
