// ThreadSanitizer finds the races between simulated threads that a GPU would have. Built only with
// it.

#include "tests/simt/emulator_fixture.h"

namespace rela::test {
namespace {

class Races : public ::testing::Test {
 protected:
  Races() {  // ThreadSanitizer does not survive a fork of a process with fibers: run a new one
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
};

/// Runs the launch in a child process, which must end with ThreadSanitizer's status and report.
template <class Launch>
void expect_race(Launch&& launch) {
  EXPECT_EXIT(
      {
        launch();
        simt::device_synchronize();
        std::_Exit(0);
      },
      ::testing::ExitedWithCode(66), "data race");
}
template <class Launch>
void expect_no_race(Launch&& launch) {
  EXPECT_EXIT(
      {
        launch();
        simt::device_synchronize();
        std::_Exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

enum class Order : uint8_t { kNone, kSyncthreads, kSyncwarp, kShuffle, kAtomic };

__global__ void neighbour_kernel(Order order, float* out) {
  SIMT_SHARED(float, tile, [32]);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = static_cast<float>(i);
  if (order == Order::kSyncthreads) __syncthreads();
  if (order == Order::kSyncwarp) __syncwarp();
  if (order == Order::kShuffle) out[i] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  out[i] = tile[(i + 1) % 32];
}

TEST_F(Races, SharedMemoryReadWithoutABarrier) {
  DeviceArray<float> out(size_t{32});
  const auto run = [&](Order order) {
    return [&out, order] {
      simt::launch(neighbour_kernel, {1, 32}, kTestStream, order, out.data());
    };
  };
  expect_race(run(Order::kNone));
  expect_no_race(run(Order::kSyncthreads));
  expect_no_race(run(Order::kSyncwarp));
  expect_race(run(Order::kShuffle));  // a shuffle orders no memory
}

__global__ void reuse_kernel(bool second_barrier, float* out) {
  SIMT_SHARED(float, tile, [32]);
  const int i = static_cast<int>(threadIdx.x);
  for (int round = 0; round < 2; ++round) {
    tile[i] = static_cast<float>(i + round);
    __syncthreads();
    out[i] = tile[31 - i];
    if (second_barrier) __syncthreads();
  }
}

TEST_F(Races, ATileWrittenAgainBeforeAllHaveReadIt) {
  DeviceArray<float> out(size_t{32});
  expect_race([&] { simt::launch(reuse_kernel, {1, 32}, kTestStream, false, out.data()); });
  expect_no_race([&] { simt::launch(reuse_kernel, {1, 32}, kTestStream, true, out.data()); });
}

__global__ void blocks_kernel(Order order, float* out) {
  if (order == Order::kAtomic) {
    atomicAdd(out, 1.0f);
  } else {
    out[0] = static_cast<float>(blockIdx.x);
  }
}

TEST_F(Races, BlocksThatWriteTheSameWord) {
  DeviceArray<float> out(size_t{1});
  expect_race([&] { simt::launch(blocks_kernel, {2, 1}, kTestStream, Order::kNone, out.data()); });
  expect_no_race([&] {
    simt::launch(blocks_kernel, {2, 1}, kTestStream, Order::kAtomic, out.data());
  });
}

TEST_F(Races, LaunchesInOneStreamDoNotRace) {
  DeviceArray<float> out(size_t{1});
  expect_no_race([&] {
    for (int i = 0; i < 4; ++i) {
      simt::launch(blocks_kernel, {1, 1}, kTestStream, Order::kNone, out.data());
    }
  });
}

__global__ void fence_kernel(bool fence, float* data, unsigned* ticket, float* out) {
  data[blockIdx.x] = 1;
  if (fence) __threadfence();
  if (atomicAdd(ticket, 1u) + 1 != gridDim.x) return;
  if (fence) __threadfence();
  out[0] = data[0] + data[1];
}

TEST_F(Races, TheLastBlockReadsWhatOthersWroteBehindFences) {
  DeviceArray<float> data(size_t{2});
  DeviceArray<float> out(size_t{1});
  DeviceArray<unsigned> ticket(std::vector<unsigned>{0});
  for (const bool fence : {false, true}) {
    const auto run = [&] {
      simt::launch(fence_kernel, {2, 1}, kTestStream, fence, data.data(), ticket.data(),
                   out.data());
    };
    if (fence) {
      expect_no_race(run);
    } else {
      expect_race(run);
    }
  }
}

}  // namespace
}  // namespace rela::test
