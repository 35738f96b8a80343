#include "tests/simt/emulator_fixture.h"

namespace rela::test {
namespace {

constexpr unsigned kAll = 0xffffffffu;

struct Triple {  // 12 bytes: neither a register nor two
  int a;
  float b;
  int c;
};

template <class T>
T value_of(int lane);
template <>
float value_of(int lane) {
  return static_cast<float>(lane) + 0.5f;
}
template <>
double value_of(int lane) {
  return lane + 0.25;
}
template <>
int64_t value_of(int lane) {
  return (int64_t{1} << 40) + lane;
}
template <>
Triple value_of(int lane) {
  return {lane, static_cast<float>(lane) * 2, -lane};
}
bool same(const Triple& x, const Triple& y) { return x.a == y.a && x.b == y.b && x.c == y.c; }
template <class T>
bool same(const T& x, const T& y) {
  return x == y;
}

enum class Kind { kIndex, kUp, kDown, kXor };

/// The lane whose value lane `lane` gets, from the definition in the CUDA programming guide.
int source_lane(Kind kind, int lane, int argument, int width) {
  const int segment = lane / width * width;
  switch (kind) {
    case Kind::kIndex:
      return segment + ((argument % width) + width) % width;
    case Kind::kUp:
      return lane - argument < segment ? lane : lane - argument;
    case Kind::kDown:
      return lane + argument >= segment + width ? lane : lane + argument;
    case Kind::kXor:
      return (lane ^ argument) >= segment + width ? lane : lane ^ argument;
  }
  return -1;
}

template <class T>
__global__ void shuffle_kernel(Kind kind, int argument, int width, T* out) {
  const int lane = static_cast<int>(threadIdx.x);
  const T mine = value_of<T>(lane);
  T got = mine;
  if (kind == Kind::kIndex) got = __shfl_sync(kAll, mine, argument, width);
  if (kind == Kind::kUp) got = __shfl_up_sync(kAll, mine, static_cast<unsigned>(argument), width);
  if (kind == Kind::kDown) {
    got = __shfl_down_sync(kAll, mine, static_cast<unsigned>(argument), width);
  }
  if (kind == Kind::kXor) got = __shfl_xor_sync(kAll, mine, argument, width);
  out[lane] = got;
}

template <class T>
class Shuffle : public ::testing::Test {};
using ShuffledTypes = ::testing::Types<float, double, int64_t, Triple>;
TYPED_TEST_SUITE(Shuffle, ShuffledTypes);

TYPED_TEST(Shuffle, EveryVariantFollowsItsDefinition) {
  for_each_schedule([] {
    DeviceArray<TypeParam> out(size_t{32});
    for (const Kind kind : {Kind::kIndex, Kind::kUp, Kind::kDown, Kind::kXor}) {
      for (const int width : {1, 2, 8, 16, 32}) {
        for (const int argument : {0, 1, 2, 5, 16, 31}) {
          simt::launch(shuffle_kernel<TypeParam>, {1, 32}, kTestStream, kind, argument, width,
                       out.data());
          const auto got = out.download();
          for (int lane = 0; lane < 32; ++lane) {
            const int source = source_lane(kind, lane, argument, width);
            ASSERT_TRUE(same(got[static_cast<size_t>(lane)], value_of<TypeParam>(source)))
                << "variant " << static_cast<int>(kind) << " argument " << argument << " width "
                << width << " lane " << lane;
          }
        }
      }
    }
  });
}

__global__ void masked_kernel(float* out, unsigned* votes) {
  const unsigned lane = threadIdx.x;
  if (lane % 2 == 0) {
    const unsigned evens = 0x55555555u;
    out[lane] = __shfl_sync(evens, static_cast<float>(lane), static_cast<int>(lane + 2));
    votes[lane] = __ballot_sync(evens, lane < 16);
  } else {
    const unsigned odds = 0xaaaaaaaau;
    out[lane] = __shfl_sync(odds, static_cast<float>(lane), static_cast<int>(lane + 2));
    votes[lane] = __ballot_sync(odds, lane < 16);
  }
}

TEST(Warp, HalvesWithTheirOwnMasksMeetApart) {
  for_each_schedule([] {
    DeviceArray<float> out(size_t{32});
    DeviceArray<unsigned> votes(size_t{32});
    simt::launch(masked_kernel, {1, 32}, kTestStream, out.data(), votes.data());
    const auto values = out.download();
    const auto ballots = votes.download();
    for (unsigned lane = 0; lane < 32; ++lane) {
      EXPECT_EQ(values[lane], static_cast<float>((lane + 2) % 32)) << lane;
      EXPECT_EQ(ballots[lane], lane % 2 == 0 ? 0x5555u : 0xaaaau) << lane;
    }
  });
}

__global__ void outside_mask_kernel(float* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xffffu, 1.0f, 20);
}

TEST(Warp, AValueFromALaneOutsideTheMaskIsUnwritten) {
  for_each_schedule([] {
    DeviceArray<float> out(std::vector<float>(32, 0.0f));
    simt::launch(outside_mask_kernel, {1, 32}, kTestStream, out.data());
    EXPECT_TRUE(is_unwritten(out.download()[3]));
  });
}

struct Reductions {
  unsigned add, low, high, all, any, parity;
  int signed_add, signed_low, signed_high;
  int some, every, none;
  unsigned ballot;
};

__global__ void reduce_kernel(unsigned lanes, Reductions* out) {
  const unsigned lane = threadIdx.x;
  if (lane >= lanes) return;  // they have returned before the others synchronise
  const unsigned mask = lanes == 32 ? kAll : (1u << lanes) - 1;
  const unsigned u = lane * 7 + 3;
  const int i = static_cast<int>(lane) - 5;
  Reductions r{};
  r.add = __reduce_add_sync(mask, u);
  r.low = __reduce_min_sync(mask, u);
  r.high = __reduce_max_sync(mask, u);
  r.all = __reduce_and_sync(mask, u | 0x100u);
  r.any = __reduce_or_sync(mask, u);
  r.parity = __reduce_xor_sync(mask, u);
  r.signed_add = __reduce_add_sync(mask, i);
  r.signed_low = __reduce_min_sync(mask, i);
  r.signed_high = __reduce_max_sync(mask, i);
  r.some = __any_sync(mask, lane == 1);
  r.every = __all_sync(mask, u >= 3);
  r.none = __all_sync(mask, lane != 0);
  r.ballot = __ballot_sync(mask, lane % 3 == 0);
  out[lane] = r;
}

TEST(Warp, ReductionsAndVotesCoverTheMask) {
  for (const unsigned lanes : {1u, 5u, 31u, 32u}) {
    Reductions want{0, ~0u, 0, ~0u, 0, 0, 0, 100, -100, lanes > 1, 1, 0, 0};
    for (unsigned lane = 0; lane < lanes; ++lane) {
      const unsigned u = lane * 7 + 3;
      const int i = static_cast<int>(lane) - 5;
      want.add += u;
      want.low = std::min(want.low, u);
      want.high = std::max(want.high, u);
      want.all &= u | 0x100u;
      want.any |= u;
      want.parity ^= u;
      want.signed_add += i;
      want.signed_low = std::min(want.signed_low, i);
      want.signed_high = std::max(want.signed_high, i);
      want.ballot |= (lane % 3 == 0 ? 1u : 0u) << lane;
    }
    for_each_schedule([&] {
      DeviceArray<Reductions> out(size_t{32});
      simt::launch(reduce_kernel, {1, 32}, kTestStream, lanes, out.data());
      const auto got = out.download();
      for (unsigned lane = 0; lane < lanes; ++lane) {
        ASSERT_EQ(std::memcmp(&got[lane], &want, sizeof(want)), 0)
            << "lane " << lane << " of " << lanes;
      }
    });
  }
}

__global__ void partial_warp_kernel(float* out) {  // 40 threads: the second warp has 8
  const unsigned mask = threadIdx.x < 32 ? kAll : 0xffu;
  float sum = 1;
  for (int offset = 4; offset > 0; offset /= 2) sum += __shfl_xor_sync(mask, sum, offset);
  out[threadIdx.x] = sum;
}

TEST(Warp, TheLastWarpOfABlockMayBePartial) {
  for_each_schedule([] {
    DeviceArray<float> out(size_t{40});
    simt::launch(partial_warp_kernel, {1, 40}, kTestStream, out.data());
    for (const float v : out.download()) EXPECT_EQ(v, 8.0f);
  });
}

__global__ void syncwarp_kernel(int* out) {
  SIMT_SHARED(int, part, [32]);
  const int lane = static_cast<int>(threadIdx.x);
  part[lane] = lane;
  __syncwarp();
  out[lane] = part[(lane + 1) % 32] + part[(lane + 31) % 32];
}

TEST(Warp, SyncwarpLetsLanesReadEachOther) {
  for_each_schedule([] {
    DeviceArray<int> out(size_t{32});
    simt::launch(syncwarp_kernel, {1, 32}, kTestStream, out.data());
    const auto got = out.download();
    for (int i = 0; i < 32; ++i) {
      EXPECT_EQ(got[static_cast<size_t>(i)], (i + 1) % 32 + (i + 31) % 32);
    }
  });
}

// ---- mistakes ----

constexpr int kMaskWithoutLane = __LINE__ + 1;
__global__ void lane_outside_mask_kernel() { __ballot_sync(1u, 1); }

TEST(WarpMistake, ALaneThatIsNotInItsOwnMask) {
  EXPECT_THAT(error_of([] {
                simt::launch(lane_outside_mask_kernel, {1, 32}, kTestStream);
              }),
              AllOf(HasSubstr("not in its own mask"),
                    HasSubstr(at_line(__FILE__, kMaskWithoutLane)), HasSubstr("thread (1,0,0)")));
}

constexpr int kAbsentLine = __LINE__ + 1;
__global__ void absent_lanes_kernel() { __syncwarp(); }

TEST(WarpMistake, AMaskThatNamesLanesTheBlockDoesNotHave) {
  EXPECT_THAT(error_of([] {
                simt::launch(absent_lanes_kernel, {1, 20}, kTestStream);
              }),
              AllOf(HasSubstr("does not have"), HasSubstr(at_line(__FILE__, kAbsentLine))));
}

constexpr int kReturnedLine = __LINE__ + 3;
__global__ void returned_lanes_kernel(float* out) {
  if (threadIdx.x >= 20) return;
  out[threadIdx.x] = __shfl_xor_sync(kAll, 1.0f, 1);
}

TEST(WarpMistake, AMaskThatNamesLanesThatReturned) {
  for_each_schedule([] {
    DeviceArray<float> out(size_t{32});
    EXPECT_THAT(error_of([&] {
                  simt::launch(returned_lanes_kernel, {1, 32}, kTestStream, out.data());
                }),
                AllOf(HasSubstr("returned"), HasSubstr(at_line(__FILE__, kReturnedLine))));
  });
}

constexpr int kFirstLine = __LINE__ + 3;
__global__ void different_operations_kernel(unsigned* out) {
  if (threadIdx.x < 16) {
    out[threadIdx.x] = __ballot_sync(kAll, 1);
  } else {
    out[threadIdx.x] = __reduce_add_sync(kAll, 1u);
  }
}

TEST(WarpMistake, LanesThatMeetInDifferentOperations) {
  for_each_schedule([] {
    DeviceArray<unsigned> out(size_t{32});
    EXPECT_THAT(
        error_of([&] {
          simt::launch(different_operations_kernel, {1, 32}, kTestStream, out.data());
        }),
        AllOf(HasSubstr("divergent warp operation"), HasSubstr(at_line(__FILE__, kFirstLine)),
              HasSubstr(at_line(__FILE__, kFirstLine + 2))));
  });
}

__global__ void different_masks_kernel() { __syncwarp(threadIdx.x == 0 ? kAll : 0xfffffffeu); }

TEST(WarpMistake, LanesThatMeetWithDifferentMasks) {
  for_each_schedule([] {
    EXPECT_THAT(error_of([] {
                  simt::launch(different_masks_kernel, {1, 32}, kTestStream);
                }),
                Not(HasSubstr("no error")));
  });
}

}  // namespace
}  // namespace rela::test
