// The moving average against its formula in double.

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/optimizer/optimizer.h"

namespace rela {
namespace {

TEST(Ema, MatchesDoubleAtAwkwardSizesAndKeepsToThem) {
  constexpr float kTau = 0.97f;
  constexpr size_t kBehind = 16;
  std::mt19937_64 random(7);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const size_t n : {0u, 1u, 31u, 33u, 40'009u}) {
    std::vector<float> target(n + kBehind), source(n + kBehind);
    for (float& x : target) x = uniform(random);
    for (float& x : source) x = uniform(random);
    const std::vector<float> before = target;
    ema_cpu(target.data(), source.data(), static_cast<int64_t>(n), kTau, {});
    for (size_t i = 0; i < n; ++i) {
      const double want = kTau * static_cast<double>(before[i]) + (1.0 - kTau) * source[i];
      ASSERT_NEAR(target[i], want, 2e-7)
          << i << " of " << n;  // a few roundings of values of order 1
    }
    for (size_t i = n; i < target.size(); ++i) ASSERT_EQ(target[i], before[i]) << i;
  }
}

}  // namespace
}  // namespace rela
