#include "kernels/random/philox.h"

#include <gtest/gtest.h>

#include "kernels/random/random_stream.h"

namespace rela {
namespace {

// Known answers of the authors' library (Random123, kat_vectors).
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

}  // namespace
}  // namespace rela
