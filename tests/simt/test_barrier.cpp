#include "tests/simt/emulator_fixture.h"

namespace rela::test {
namespace {

__global__ void neighbours_kernel(const int* x, int* y) {
  SIMT_SHARED(int, tile, [100]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = x[i];
  __syncthreads();
  y[i] = tile[(i + 1) % 100] + tile[(i + 99) % 100];
}

TEST(Barrier, SyncthreadsLetsThreadsReadEachOther) {
  std::vector<int> x(100);
  for (int i = 0; i < 100; ++i) x[static_cast<size_t>(i)] = i * i;
  for_each_schedule([&] {
    const DeviceArray<int> in(x);
    DeviceArray<int> out(size_t{100});
    simt::launch(neighbours_kernel, {1, 100}, kTestStream, in.data(), out.data());
    const auto got = out.download();
    for (size_t i = 0; i < 100; ++i) EXPECT_EQ(got[i], x[(i + 1) % 100] + x[(i + 99) % 100]);
  });
}

__global__ void votes_kernel(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  const int count = __syncthreads_count(i % 3 == 0);
  const int some = __syncthreads_or(i == 69);
  const int none = __syncthreads_or(i > 1000);
  const int all = __syncthreads_and(i < 70);
  const int not_all = __syncthreads_and(i != 5);
  out[i] = count * 10000 + some * 1000 + none * 100 + all * 10 + not_all;
}

TEST(Barrier, CountsAndVotesOverTheBlock) {
  for_each_schedule([] {
    DeviceArray<int> out(size_t{70});
    simt::launch(votes_kernel, {1, 70}, kTestStream, out.data());
    for (const int v : out.download()) EXPECT_EQ(v, 24 * 10000 + 1000 + 10);
  });
}

__global__ void early_exit_kernel(int* out) {
  if (threadIdx.x % 2 == 1) return;
  const int present = __syncthreads_count(1);
  out[threadIdx.x] = present;
}

TEST(Barrier, ThreadsThatReturnedAreNotWaitedFor) {
  for_each_schedule([] {
    DeviceArray<int> out(size_t{64});
    simt::launch(early_exit_kernel, {1, 64}, kTestStream, out.data());
    const auto got = out.download();
    for (size_t i = 0; i < 64; i += 2) EXPECT_EQ(got[i], 32);
  });
}

TEST(Barrier, StrictExitRefusesBarriersAfterThreadsReturned) {
  DeviceArray<int> out(size_t{64});
  simt::options().strict_exit = true;
  const std::string error = error_of([&] {
    simt::launch(early_exit_kernel, {1, 64}, kTestStream, out.data());
  });
  simt::options().strict_exit = false;
  EXPECT_THAT(error, HasSubstr("after other threads returned"));
}

__global__ void grid_sum_kernel(int* partial, int* out) {
  if (threadIdx.x == 0) partial[blockIdx.x] = static_cast<int>(blockIdx.x) + 1;
  simt::grid_sync();
  if (threadIdx.x != 0) return;
  int sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += partial[i];
  out[blockIdx.x] = sum;
}

TEST(Barrier, GridSyncLetsBlocksReadEachOther) {
  for_each_schedule([] {
    DeviceArray<int> partial(size_t{9});
    DeviceArray<int> out(size_t{9});
    simt::launch_cooperative(grid_sum_kernel, {9, 33}, kTestStream, partial.data(), out.data());
    for (const int v : out.download()) EXPECT_EQ(v, 45);
  });
}

__global__ void spin_kernel(int* flag, int* out) {  // block 1 waits for block 0
  if (blockIdx.x == 1) {
    while (atomicAdd(flag, 0) == 0) __nanosleep(20);
    out[1] = 1;
  } else {
    out[0] = 1;
    atomicExch(flag, 1);
  }
}

TEST(Barrier, AWaitingLoopWithNanosleepLetsOthersRun) {
  for_each_schedule([] {
    DeviceArray<int> flag(std::vector<int>{0});
    DeviceArray<int> out(size_t{2});
    simt::launch_cooperative(spin_kernel, {2, 1}, kTestStream, flag.data(), out.data());
    EXPECT_EQ(out.download(), (std::vector<int>{1, 1}));
  });
}

// ---- mistakes ----

constexpr int kDivergentLine = __LINE__ + 3;
__global__ void divergent_kernel() {
  if (threadIdx.x < 64) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

TEST(BarrierMistake, ThreadsWaitAtDifferentBarriers) {
  for_each_schedule([] {
    EXPECT_THAT(error_of([] {
                  simt::launch(divergent_kernel, {1, 128}, kTestStream);
                }),
                AllOf(HasSubstr("divergent __syncthreads"), HasSubstr("block (0,0,0) thread ("),
                      HasSubstr(at_line(__FILE__, kDivergentLine)),
                      HasSubstr(at_line(__FILE__, kDivergentLine + 2)),
                      HasSubstr("launched at tests/simt/test_barrier.cpp:")));
  });
}

constexpr int kDeadlockLine = __LINE__ + 4;
__global__ void deadlock_kernel() {
  const unsigned mask = 0xffffffffu;
  if (threadIdx.x % 32 < 16) {
    __syncwarp(mask);
  } else {
    __syncthreads();
  }
}

TEST(BarrierMistake, ADeadlockSaysWhoWaitsWhere) {
  for_each_schedule([] {
    EXPECT_THAT(
        error_of([] {
          simt::launch(deadlock_kernel, {1, 32}, kTestStream);
        }),
        AllOf(HasSubstr("deadlock"),
              HasSubstr("16 wait in a warp operation at " + at_line(__FILE__, kDeadlockLine)),
              HasSubstr("16 wait in __syncthreads at " + at_line(__FILE__, kDeadlockLine + 2))));
  });
}

constexpr int kGridSyncLine = __LINE__ + 1;
__global__ void lone_grid_sync_kernel() { simt::grid_sync(); }

TEST(BarrierMistake, GridSyncNeedsACooperativeLaunch) {
  EXPECT_THAT(error_of([] {
                simt::launch(lone_grid_sync_kernel, {2, 1}, kTestStream);
              }),
              AllOf(HasSubstr("launch_cooperative"), HasSubstr(at_line(__FILE__, kGridSyncLine))));
}

TEST(BarrierMistake, TheNextLaunchWorksAfterAnError) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(error_of([] {
                  simt::launch(deadlock_kernel, {1, 64}, kTestStream);
                }),
                HasSubstr("deadlock"));
    DeviceArray<int> out(size_t{70});
    simt::launch(votes_kernel, {1, 70}, kTestStream, out.data());
    EXPECT_EQ(out.download()[5], 24 * 10000 + 1000 + 10);
  }
}

// ---- what each schedule finds ----

__global__ void missing_sync_kernel(int step, int* y) {
  SIMT_SHARED(int, tile, [64]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = i;
  y[i] = tile[(i + step) & 63];  // without a barrier: NaN where the other has not written
}

int wrong_values(simt::Order order, int step) {
  const simt::Options before = simt::options();
  simt::options().order = order;
  simt::options().seed = 5;
  DeviceArray<int> out(size_t{64});
  simt::launch(missing_sync_kernel, {1, 64}, kTestStream, step, out.data());
  const auto got = out.download();
  simt::options() = before;
  int wrong = 0;
  for (int i = 0; i < 64; ++i) wrong += got[static_cast<size_t>(i)] != ((i + step) & 63) ? 1 : 0;
  return wrong;
}

TEST(Schedule, AMissingBarrierGivesWrongValuesInOneOrderOrTheOther) {
  if (kThreadSanitizer)
    GTEST_SKIP() << "races on purpose; test_races.cpp has them for the sanitizer";
  EXPECT_GE(wrong_values(simt::Order::kForward, 1), 63);
  EXPECT_LE(wrong_values(simt::Order::kForward, 63), 1);
  EXPECT_LE(wrong_values(simt::Order::kReverse, 1), 1);
  EXPECT_GE(wrong_values(simt::Order::kReverse, 63), 63);
  EXPECT_GT(wrong_values(simt::Order::kRandom, 1), 10);
  EXPECT_GT(wrong_values(simt::Order::kRandom, 63), 10);
}

__global__ void block_order_kernel(int* y) {  // assumes that blocks run in order
  y[blockIdx.x] = blockIdx.x == 0 ? 0 : y[blockIdx.x - 1] + 1;
}

TEST(Schedule, BlocksDoNotRunInOrder) {
  if (kThreadSanitizer)
    GTEST_SKIP() << "races on purpose; test_races.cpp has them for the sanitizer";
  for (const simt::Order order : {simt::Order::kReverse, simt::Order::kRandom}) {
    const simt::Options before = simt::options();
    simt::options().order = order;
    DeviceArray<int> y(std::vector<int>(8, 100));
    simt::launch(block_order_kernel, {8, 1}, kTestStream, y.data());
    const auto got = y.download();
    simt::options() = before;
    EXPECT_NE(got, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
  }
}

__global__ void interleaved_kernel(int* running, int* most) {
  const int now = atomicAdd(running, 1) + 1;
  atomicMax(most, now);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(running, -static_cast<int>(blockDim.x));
}

TEST(Schedule, AGangOfThreeInterleavesThreeBlocks) {
  const simt::Options before = simt::options();
  simt::options().order = simt::Order::kRandom;
  for (const int gang : {1, 3}) {
    simt::options().gang = gang;
    DeviceArray<int> counters(std::vector<int>{0, 0});
    simt::launch(interleaved_kernel, {12, 16}, kTestStream, counters.data(), counters.data() + 1);
    const int most = counters.download()[1];
    EXPECT_LE(most, 16 * gang);
    EXPECT_GT(most, 16 * gang - 32);
    EXPECT_EQ(most > 16, gang > 1);
  }
  simt::options() = before;
}

constexpr int kDroppedLine = __LINE__ + 5;
__global__ void two_barriers_kernel(int* y) {
  SIMT_SHARED(int, tile, [64]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = i;
  __syncthreads();
  y[i] = tile[i ^ 32];
}

TEST(Schedule, ADroppedBarrierIsSkippedInItsFileOnly) {
  if (kThreadSanitizer)
    GTEST_SKIP() << "races on purpose; test_races.cpp has them for the sanitizer";
  const auto wrong_with = [](const char* file) {
    const simt::Options before = simt::options();
    simt::options().dropped = {file, kDroppedLine};
    DeviceArray<int> y(size_t{64});
    simt::launch(two_barriers_kernel, {1, 64}, kTestStream, y.data());
    const auto got = y.download();
    simt::options() = before;
    int wrong = 0;
    for (int i = 0; i < 64; ++i) wrong += got[static_cast<size_t>(i)] != (i ^ 32) ? 1 : 0;
    return wrong;
  };
  EXPECT_EQ(wrong_with("simt/test_barrier.cpp"), 32);
  EXPECT_EQ(wrong_with("simt/test_warp.cpp"), 0);
}

}  // namespace
}  // namespace rela::test
