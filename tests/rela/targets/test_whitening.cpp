// Covariance and whitening against definitions in double, and against tests/golden/make_golden.py.

#include "rela/targets/whitening.h"

#include <gmock/gmock.h>

#include <cmath>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"
#include "tests/support/golden.h"

namespace rela {
namespace {

using testing::HasSubstr;
using testing::Le;
using testing::ThrowsMessage;

/// offset + rows with decreasing spread across columns, [count, width].
std::vector<float> features(int64_t count, int64_t width, double offset) {
  std::vector<float> y = test::formula("features", count * width);
  for (size_t i = 0; i < y.size(); ++i) {
    const auto j = static_cast<double>(i % static_cast<size_t>(width));
    y[i] = static_cast<float>(offset + y[i] * std::pow(0.9, j));
  }
  return y;
}

struct Moments {
  std::vector<double> mean;
  std::vector<double> covariance;  // divided by N - 1
};
Moments moments_of(const std::vector<float>& y, int64_t width) {
  const auto n = static_cast<int64_t>(y.size()) / width;
  Moments m{std::vector<double>(width), std::vector<double>(width * width)};
  for (int64_t i = 0; i < n * width; ++i) m.mean[i % width] += y[i] / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t a = 0; a < width; ++a) {
      for (int64_t b = 0; b < width; ++b) {
        m.covariance[a * width + b] += (y[i * width + a] - m.mean[a]) *
                                       (y[i * width + b] - m.mean[b]) / static_cast<double>(n - 1);
      }
    }
  }
  return m;
}

double worst(const std::vector<double>& a, const std::vector<double>& b) {
  double gap = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    gap = std::max(gap, std::abs(a[i] - b[i]));
  }
  return gap;
}

class CovarianceShapes : public testing::TestWithParam<std::pair<int64_t, int64_t>> {};

TEST_P(CovarianceShapes, EqualsTheTwoPassDefinitionThoughTheMeanIsLarge) {
  const auto [count, width] = GetParam();
  const std::vector<float> y = features(count, width, 1e4);
  CovarianceAccumulator sums(width);
  sums.add(y);
  const Moments want = moments_of(y, width);
  EXPECT_EQ(sums.count(), count);
  EXPECT_THAT(worst(sums.mean(), want.mean), Le(1e-10));
  EXPECT_THAT(worst(sums.covariance(), want.covariance), Le(1e-11));  // unshifted: 1e8 * 1e-16 * N
}

INSTANTIATE_TEST_SUITE_P(Ragged, CovarianceShapes,
                         testing::Values(std::pair{2, 1}, std::pair{31, 33}, std::pair{257, 65},
                                         std::pair{197, 31}, std::pair{600, 3}));

TEST(Covariance, DoesNotDependOnHowTheRowsArriveNorOnThreads) {
  const std::vector<float> y = features(512, 70, 3);
  const int threads = cpu_threads();
  std::vector<std::vector<double>> results;
  for (const int t : {1, 2, 5}) {
    set_cpu_threads(t);
    CovarianceAccumulator sums(70);
    const std::span<const float> all(y);
    for (size_t begin = 0; begin < y.size(); begin += 256 * 70)
      sums.add(all.subspan(begin, 256 * 70));
    results.push_back(sums.covariance());
  }
  set_cpu_threads(threads);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
  CovarianceAccumulator ragged(70);
  const std::span<const float> all(y);
  ragged.add(all.subspan(0, 70));
  ragged.add({});
  ragged.add(all.subspan(70));
  EXPECT_THAT(worst(ragged.covariance(), results[0]), Le(1e-13));
}

TEST(Covariance, OfLessThanTwoRowsIsZero) {
  CovarianceAccumulator sums(2);
  EXPECT_EQ(sums.mean(), (std::vector<double>{0, 0}));
  const std::vector<float> row{3, -4};
  sums.add(row);
  EXPECT_EQ(sums.mean(), (std::vector<double>{3, -4}));
  EXPECT_EQ(sums.covariance(), std::vector<double>(4));
}

TEST(Whitening, GivesTheTargetsOfTheReleasedCode) {
  const test::GoldenFile golden("targets");
  const std::vector<float> y = golden.values("features");  // [70, 12], rank 10
  const std::vector<float> want = golden.values("targets");
  CovarianceAccumulator sums(12);
  sums.add(y);
  const Whitening w = make_whitening(sums, 12);
  EXPECT_EQ(w.out, 10);
  EXPECT_EQ(w.dropped, 2);
  std::vector<float> z(70 * 10, NAN);
  w.apply(y, z);
  // One rounding to f32 at the end.
  EXPECT_THAT(test::relative_error(z, want), Le(1e-6));
}

TEST(Whitening, TargetsHaveMeanZeroDeviationOneAndNoCorrelation) {
  const std::vector<float> y = features(600, 33, 5);
  CovarianceAccumulator sums(33);
  sums.add(y);
  for (const int64_t wanted : {1, 31, 33}) {
    const Whitening w = make_whitening(sums, wanted);
    ASSERT_EQ(w.out, wanted);
    std::vector<float> z(600 * w.out, NAN);
    w.apply(y, z);
    Moments m = moments_of(z, w.out);
    for (double& c : m.covariance) c *= 599.0 / 600.0;  // population
    EXPECT_THAT(worst(m.mean, std::vector<double>(w.out)), Le(1e-7));
    std::vector<double> identity(w.out * w.out);
    for (int64_t j = 0; j < w.out; ++j) identity[j * w.out + j] = 1;
    EXPECT_THAT(worst(m.covariance, identity), Le(1e-6));
  }
}

TEST(Whitening, FewerImagesThanDirectionsDropTheRest) {
  const std::vector<float> y = features(5, 16, 1);
  CovarianceAccumulator sums(16);
  sums.add(y);
  const Whitening w = make_whitening(sums, 16);
  EXPECT_EQ(w.out, 4);
  EXPECT_EQ(w.dropped, 12);
}

TEST(Whitening, ConstantFeaturesAreRefused) {
  std::vector<float> y;
  for (int i = 0; i < 300; ++i) y.insert(y.end(), {0.1f, -7.3f, 1e-3f});
  CovarianceAccumulator sums(3);
  sums.add(y);
  EXPECT_THAT([&] { make_whitening(sums, 3); },
              ThrowsMessage<NonFiniteError>(
                  "targets: the prior's 3 features are the same for all 300 images; a prior must "
                  "tell images apart, check its weights"));
}

}  // namespace
}  // namespace rela
