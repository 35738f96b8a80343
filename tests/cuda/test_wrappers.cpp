#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/cuda/wrappers.h"
#include "tests/support/cuda_harness.h"

namespace rela::test {
namespace {

/// Small integers: exact in 16 bits, as are their products and sums in f32.
template <class T>
std::vector<T> integers(size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<T> v(n);
  for (T& x : v) x = store_as<T>(static_cast<float>(random() % 17) - 8);
  return v;
}

template <class T>
class Mma : public testing::Test {};
using MmaTypes = testing::Types<Bf16, F16>;
TYPED_TEST_SUITE(Mma, MmaTypes);

TYPED_TEST(Mma, MultipliesAndAdds) {
  using T = TypeParam;
  const auto a = integers<T>(16 * 16, 1);
  const auto b = integers<T>(16 * 8, 2);
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
    const DeviceArray<T> da(a);
    const DeviceArray<T> db(b);
    DeviceArray<float> dc(c);
    mma_tile(da.data(), db.data(), dc.data(), kTestStream);
    EXPECT_EQ(dc.download(), want);
  });
}

TEST(Wrappers, LdmatrixDistributesTilesAsDocumented) {
  std::vector<uint16_t> x(4 * 64);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint16_t>(i * 131 + 7);
  for_each_schedule([&] {
    for (const Ldmatrix variant :
         {Ldmatrix::kX4, Ldmatrix::kX4Transposed, Ldmatrix::kX2, Ldmatrix::kX2Transposed}) {
      const bool transposed =
          variant == Ldmatrix::kX4Transposed || variant == Ldmatrix::kX2Transposed;
      const size_t tiles = variant == Ldmatrix::kX4 || variant == Ldmatrix::kX4Transposed ? 4 : 2;
      const DeviceArray<uint16_t> in(x);
      DeviceArray<uint16_t> out(size_t{32 * 8});
      load_tiles(in.data(), variant, out.data(), kTestStream);
      const auto got = out.download();
      for (size_t i = 0; i < 32 * tiles * 2; ++i) {
        const size_t lane = i / (tiles * 2);
        const size_t tile = i / 2 % tiles;
        size_t row = lane / 4;
        size_t column = lane % 4 * 2 + i % 2;
        if (transposed) std::swap(row, column);
        ASSERT_EQ(got[lane * 8 + tile * 2 + i % 2], x[tile * 64 + row * 8 + column])
            << "variant " << static_cast<int>(variant) << " lane " << lane << " tile " << tile;
      }
    }
  });
}

TEST(Wrappers, AsyncCopiesArriveAtTheWait) {
  for (const int chunks : {1, 2, 5}) {
    std::vector<float> x(static_cast<size_t>(chunks) * 128);
    std::vector<float> want(32);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(i % 31);
      want[i % 32] += x[i];
    }
    for_each_schedule([&] {
      const DeviceArray<float> in(x);
      DeviceArray<float> out(size_t{32});
      pipeline_sum(in.data(), chunks, out.data(), kTestStream);
      EXPECT_EQ(out.download(), want);
    });
  }
}

/// The lane whose value `lane` gets, from the definitions in the CUDA programming guide.
int source_lane(ShuffleKind kind, int lane, int argument, int width) {
  const int segment = lane / width * width;
  const int last = segment + width - 1;
  switch (kind) {
    case ShuffleKind::kIndex:
      return segment + argument % width;
    case ShuffleKind::kUp:
      return lane - argument < segment ? lane : lane - argument;
    case ShuffleKind::kDown:
      return lane + argument > last ? lane : lane + argument;
    case ShuffleKind::kXor:
      return (lane ^ argument) > last ? lane : lane ^ argument;
  }
  return -1;
}

TEST(Wrappers, ShufflesFollowTheirDefinitions) {
  std::vector<float> x(32);
  for (size_t i = 0; i < 32; ++i) x[i] = static_cast<float>(i) + 0.5f;
  for_each_schedule([&] {
    const DeviceArray<float> in(x);
    DeviceArray<float> out(size_t{32});
    for (const auto kind :
         {ShuffleKind::kIndex, ShuffleKind::kUp, ShuffleKind::kDown, ShuffleKind::kXor}) {
      for (const int width : {2, 8, 32}) {
        for (const int argument : {0, 1, 5, 31}) {
          shuffle(in.data(), kind, argument, width, out.data(), kTestStream);
          const auto got = out.download();
          for (int lane = 0; lane < 32; ++lane) {
            const int source = source_lane(kind, lane, argument, width);
            ASSERT_EQ(got[static_cast<size_t>(lane)], static_cast<float>(source) + 0.5f)
                << "kind " << static_cast<int>(kind) << " argument " << argument << " width "
                << width << " lane " << lane;
          }
        }
      }
    }
  });
}

TEST(Wrappers, ReductionsAndVotesOverAWarp) {
  std::vector<unsigned> x(32);
  std::vector<unsigned> want{0, ~0u, 0, ~0u, 0, 0, 0, 1, 0};
  for (unsigned i = 0; i < 32; ++i) {
    x[i] = (i * 2654435761u) | 0x100u;
    want[0] += x[i];
    want[1] = std::min(want[1], x[i]);
    want[2] = std::max(want[2], x[i]);
    want[3] &= x[i];
    want[4] |= x[i];
    want[5] ^= x[i];
    want[6] |= (x[i] & 1) << i;
  }
  for_each_schedule([&] {
    const DeviceArray<unsigned> in(x);
    DeviceArray<unsigned> out(size_t{9});
    reduce_warp(in.data(), out.data(), kTestStream);
    EXPECT_EQ(out.download(), want);
  });
}

TEST(Wrappers, StreamingAccessesCopyAndVectorAtomicsAdd) {
  const int n = 4 * 97;
  std::vector<float> x(n);
  std::vector<float> want(6);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i % 13);
    want[i % 4] += x[i];
    if (i % 4 < 2) want[4 + i % 4] += x[i];
  }
  for_each_schedule([&] {
    const DeviceArray<float> in(x);
    DeviceArray<float> out(x.size());
    DeviceArray<float> sum(std::vector<float>(6, 0.0f));
    copy_and_add(in.data(), out.data(), n, sum.data(), kTestStream);
    EXPECT_EQ(out.download(), x);
    EXPECT_EQ(sum.download(), want);
  });
}

TEST(Wrappers, BlocksMeetAtAGridBarrier) {
  for_each_schedule([] {
    DeviceArray<int> partial(size_t{9});
    DeviceArray<int> out(size_t{9});
    grid_sums(9, partial.data(), out.data(), kTestStream);
    EXPECT_EQ(out.download(), std::vector<int>(9, 45));
  });
}

TEST(Wrappers, ConstantsAreSetInStreamOrder) {
  for_each_schedule([] {
    DeviceArray<float> out(size_t{2});
    through_constant(3, out.data(), kTestStream);
    through_constant(4, out.data() + 1, kTestStream);
    EXPECT_EQ(out.download(), (std::vector<float>{3, 4}));
  });
}

}  // namespace
}  // namespace rela::test
