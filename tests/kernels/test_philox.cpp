#include "kernels/random/philox.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <set>

#include "kernels/random/random_stream.h"

namespace rela {
namespace {

// Known answers from the authors' library (Random123, kat_vectors).
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32_10({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(
      philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

static_assert(philox4x32_10({}, {})[0] == 0x6627e8d5, "also before the program runs");

TEST(RandomStream, EveryPartOfTheNameMatters) {
  const RandomKey base{.seed = 1, .epoch = 2, .sample = 3, .view = 0, .op = RandomOp::kCrop};
  const uint32_t first = RandomStream(base).bits();
  for (const RandomKey& other :
       {RandomKey{.seed = 9, .epoch = 2, .sample = 3, .view = 0, .op = RandomOp::kCrop},
        RandomKey{.seed = 1, .epoch = 9, .sample = 3, .view = 0, .op = RandomOp::kCrop},
        RandomKey{.seed = 1, .epoch = 2, .sample = 9, .view = 0, .op = RandomOp::kCrop},
        RandomKey{.seed = 1, .epoch = 2, .sample = 3, .view = 1, .op = RandomOp::kCrop},
        RandomKey{.seed = 1, .epoch = 2, .sample = 3, .view = 0, .op = RandomOp::kFlip}}) {
    EXPECT_NE(RandomStream(other).bits(), first);
  }
}

TEST(RandomStream, NumbersStayInTheirRangesAndAverageOut) {
  RandomStream random({.seed = 5});
  double uniform = 0;
  double square = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const float u = random.uniform();
    ASSERT_GE(u, 0.0f);
    ASSERT_LT(u, 1.0f);
    ASSERT_LT(random.below(7), 7u);
    uniform += u;
    const double n = random.normal();
    square += n * n;
  }
  EXPECT_NEAR(uniform / kDraws, 0.5, 0.015);  // six deviations of the mean
  EXPECT_NEAR(square / kDraws, 1.0, 0.06);
}

TEST(RandomStream, NamesNeverShareACounter) {
  std::set<PhiloxCounter> counters;
  size_t names = 0;
  for (const uint64_t sample :
       {0ull, 1ull, 255ull, 256ull, 1ull << 31, 1ull << 32, 1ull << 40, (1ull << 48) - 1}) {
    for (const uint32_t epoch : {0u, 1u, 0xffffffffu}) {
      for (const uint8_t view : {0, 1, 255}) {
        for (const RandomOp op : {RandomOp::kInit, RandomOp::kEpochOrder, RandomOp::kProbe}) {
          for (const uint32_t block : {0u, 1u}) {
            counters.insert(
                philox_counter({.epoch = epoch, .sample = sample, .view = view, .op = op}, block));
            ++names;
          }
        }
      }
    }
  }
  EXPECT_EQ(counters.size(), names);
  EXPECT_NE(philox_key({.seed = 1}), philox_key({.seed = 1ull << 32}));
}

TEST(RandomStream, StreamsOfNeighboursShareHalfTheirBits) {
  constexpr uint64_t kStreams = 4000;
  int64_t next_sample = 0;
  int64_t next_view = 0;
  for (uint64_t s = 0; s < kStreams; ++s) {
    const uint32_t here = RandomStream({.sample = s, .op = RandomOp::kCrop}).bits();
    next_sample +=
        std::popcount(here ^ RandomStream({.sample = s + 1, .op = RandomOp::kCrop}).bits());
    next_view +=
        std::popcount(here ^ RandomStream({.sample = s, .view = 1, .op = RandomOp::kCrop}).bits());
  }
  // Binomial(32 kStreams, 1/2); six deviations.
  const double allowed = 6 * std::sqrt(32.0 * kStreams) / 2;
  EXPECT_NEAR(static_cast<double>(next_sample), 16.0 * kStreams, allowed);
  EXPECT_NEAR(static_cast<double>(next_view), 16.0 * kStreams, allowed);
}

TEST(RandomStream, UniformIsFlat) {
  constexpr int kBins = 64;
  constexpr int kDraws = 64 * 1000;
  std::array<int, kBins> count{};
  RandomStream random({.seed = 6});
  for (int i = 0; i < kDraws; ++i) ++count[static_cast<size_t>(random.uniform() * kBins)];
  double chi_square = 0;
  for (const int c : count) chi_square += (c - 1000.0) * (c - 1000.0) / 1000.0;
  EXPECT_NEAR(chi_square, 63, 6 * std::sqrt(2 * 63.0));  // too uniform would be wrong as well
}

TEST(RandomStream, BelowIsFairWhereTheBoundDoesNotDivideTheRange) {
  // Without rejection, two in four words would give multiples of 3.
  constexpr uint32_t kBound = 3u << 30;
  constexpr int kDraws = 12'000;
  std::array<int, 3> count{};
  RandomStream random({.seed = 7});
  for (int i = 0; i < kDraws; ++i) {
    const uint32_t x = random.below(kBound);
    ASSERT_LT(x, kBound);
    ++count[x % 3];
  }
  for (const int c : count) EXPECT_NEAR(c, kDraws / 3.0, 6 * std::sqrt(kDraws * 2.0 / 9));
}

TEST(RandomStream, BelowReachesEveryNumberAndNothingElse) {
  RandomStream random({.seed = 8});
  for (const uint32_t bound : {2u, 3u, 31u, 197u}) {
    std::set<uint32_t> seen;
    for (int i = 0; i < 4000; ++i) seen.insert(random.below(bound));
    EXPECT_EQ(seen.size(), bound);
    EXPECT_EQ(*seen.rbegin(), bound - 1);
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(random.below(0), 0u);
    EXPECT_EQ(random.below(1), 0u);
  }
}

TEST(RandomStream, CertaintiesAndEmptyIntervalsAreExact) {
  RandomStream random({.seed = 9});
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(random.bernoulli(0));
    EXPECT_TRUE(random.bernoulli(1));
    EXPECT_EQ(random.uniform(0.3f, 0.3f), 0.3f);
  }
}

}  // namespace
}  // namespace rela
