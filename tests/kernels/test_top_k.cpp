#include "kernels/similarity/top_k.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/norm/l2_normalize.h"
#include "kernels/random/random_stream.h"
#include "kernels/similarity/top_k_rows.h"
#include "tests/support/top_k_oracle.h"

namespace rela {

std::ostream& operator<<(std::ostream& out, const TopKDims& d) {
  return out << "n" << d.queries << "_m" << d.candidates << "_d" << d.width << "_k" << d.k;
}

namespace {

using test::Best;
using test::tied_rows;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

/// Size of the kernel's workspace: enough for every thread, or for one.
enum class Room { kEveryThread, kOneThread };

template <class T>
Best run_rows(const std::vector<T>& x, const std::vector<T>& y, const TopKDims& d,
              Room room = Room::kEveryThread) {
  Best best{std::vector<float>(d.queries * d.k, kNan), std::vector<int64_t>(d.queries * d.k, -7)};
  size_t bytes = top_k_similarity_workspace_bytes_cpu(d);
  if (room == Room::kOneThread) {
    const int threads = cpu_threads();
    set_cpu_threads(1);
    bytes = top_k_similarity_workspace_bytes_cpu(d);
    set_cpu_threads(threads);
  }
  const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(64, bytes + 64),
                                                           &std::free);
  std::fill_n(static_cast<float*>(memory.get()), bytes / sizeof(float), kNan);
  top_k_similarity_cpu(x.data(), y.data(), {best.values.data(), best.indices.data()}, d,
                       {memory.get(), bytes}, Stream{});
  return best;
}

Best run(const std::vector<float>& x, const std::vector<float>& y, const TopKDims& d,
         Room room = Room::kEveryThread) {
  return run_rows(x, y, d, room);
}

/// The similarity as in the contract: one chain, fused if the CPU fuses.
float similarity(const float* x, const float* y, int64_t width) {
  float sum = 0;
  for (int64_t d = 0; d < width; ++d) {
#ifdef __FMA__
    sum = std::fma(x[d], y[d], sum);
#else
    sum = x[d] * y[d] + sum;
#endif
  }
  return sum;
}

Best full_sort(const std::vector<float>& x, const std::vector<float>& y, const TopKDims& d) {
  return test::full_sort(x, y, d, similarity);
}

std::vector<float> random_rows(int64_t rows, int64_t width, uint64_t seed) {
  std::vector<float> x = test::normal_rows(rows, width, seed);
  l2_normalize_rows_cpu(x.data(), x.data(), {rows, width}, Stream{});
  return x;
}

class TopKShapes : public testing::TestWithParam<TopKDims> {};

TEST_P(TopKShapes, EqualsAFullSortToTheBit) {
  const TopKDims d = GetParam();
  const auto x = random_rows(d.queries, d.width, 1);
  const auto y = random_rows(d.candidates, d.width, 2);
  const Best got = run(x, y, d);
  const Best want = full_sort(x, y, d);
  EXPECT_EQ(got.indices, want.indices);
  EXPECT_EQ(got.values, want.values);
}

TEST_P(TopKShapes, PutsEqualSimilaritiesInTheOrderOfTheirIndex) {
  const TopKDims d = GetParam();
  const auto x = tied_rows(d.queries, d.width, 3);
  const auto y = tied_rows(d.candidates, d.width, 4);
  const Best got = run(x, y, d);
  const Best want = full_sort(x, y, d);
  EXPECT_EQ(got.indices, want.indices);
  EXPECT_EQ(got.values, want.values);
}

TEST_P(TopKShapes, Bf16RowsGiveWhatTheirValuesGive) {
  TopKDims d = GetParam();
  auto x = random_rows(d.queries, d.width, 5), y = random_rows(d.candidates, d.width, 6);
  const auto to_bf16_rows = [](std::vector<float>& values) {
    std::vector<Bf16> rows(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      rows[i] = to_bf16(values[i]);
      values[i] = to_float(rows[i]);
    }
    return rows;
  };
  const std::vector<Bf16> x16 = to_bf16_rows(x), y16 = to_bf16_rows(y);
  const Best want = run(x, y, d);
  d.dtype = Dtype::kBf16;
  const Best got = run_rows(x16, y16, d);
  EXPECT_EQ(got.indices, want.indices);
  EXPECT_EQ(got.values, want.values);
}

INSTANTIATE_TEST_SUITE_P(Ragged, TopKShapes,
                         testing::Values(TopKDims{1, 1, 1, 1}, TopKDims{0, 5, 4, 3},
                                         TopKDims{3, 7, 4, 0}, TopKDims{3, 0, 4, 0},
                                         TopKDims{5, 31, 1, 31}, TopKDims{33, 33, 33, 1},
                                         TopKDims{7, 47, 5, 10}, TopKDims{8, 48, 32, 48},
                                         TopKDims{9, 49, 31, 49}, TopKDims{2, 197, 0, 5},
                                         TopKDims{31, 197, 13, 197}, TopKDims{32, 1009, 16, 200},
                                         TopKDims{1, 4099, 33, 256}, TopKDims{521, 101, 3, 2},
                                         TopKDims{4, 24, 7, 3}, TopKDims{5, 25, 6, 25}));

TEST(TopK, FindsTheBestWhenTheyComeLast) {
  const TopKDims d{1, 1000, 1, 3};
  std::vector<float> y(1000);
  std::iota(y.begin(), y.end(), 0.0f);
  EXPECT_EQ(run({1.0f}, y, d).indices, (std::vector<int64_t>{999, 998, 997}));
}

TEST(TopK, KeepsTheLowestIndicesWhenEverythingTies) {
  const TopKDims d{9, 700, 2, 5};
  const std::vector<float> x(18, 0.5f), y(1400, 0.5f);
  const Best got = run(x, y, d);
  for (int64_t i = 0; i < 9 * 5; ++i) EXPECT_EQ(got.indices[i], i % 5) << i;
}

TEST(TopK, CountsNegativeZeroAsZero) {
  const Best got = run({1e-30f}, {-1e-30f, 0.0f, -1.0f}, {1, 3, 1, 3});  // -1e-60 rounds to -0
  EXPECT_EQ(got.indices, (std::vector<int64_t>{0, 1, 2}));
}

TEST(SelectLargest, PutsTheLargestFirstAndTheKthLastOfThem) {
  const int64_t count = 500;
  RandomStream random({.seed = 11, .op = RandomOp::kSynthetic});
  std::vector<uint64_t> ascending(count);
  for (uint64_t i = 0; i < count; ++i) ascending[i] = i * i + 1;
  std::vector<uint64_t> shuffled = ascending, descending(ascending.rbegin(), ascending.rend());
  for (int64_t i = count - 1; i > 0; --i) std::swap(shuffled[i], shuffled[random.below(i + 1)]);
  for (const auto& keys : {shuffled, ascending, descending}) {
    for (const int64_t n : {2, 7, 8, 9, 33, 500}) {
      for (const int64_t k : {int64_t{1}, n / 2, n - 1}) {
        std::vector<uint64_t> got(keys.begin(), keys.begin() + n), want = got;
        select_largest(got.data(), n, k);
        std::sort(want.begin(), want.end(), std::greater<>());
        EXPECT_EQ(got[k - 1], want[k - 1]) << n << " " << k;
        std::sort(got.begin(), got.begin() + k, std::greater<>());
        EXPECT_TRUE(std::equal(got.begin(), got.begin() + k, want.begin())) << n << " " << k;
      }
    }
  }
}

TEST(TopK, NeverChoosesWhatIsNotANumber) {
  const Best got = run({1.0f}, {kNan, 2.0f, -kInf, kInf, kNan, -5.0f}, {1, 6, 1, 5});
  EXPECT_EQ(got.indices, (std::vector<int64_t>{3, 1, 5, -1, -1}));
  EXPECT_EQ(got.values, (std::vector<float>{kInf, 2.0f, -5.0f, -kInf, -kInf}));
}

TEST(TopK, SimilarityOfAPairDoesNotDependOnWhereThePairStands) {
  const int64_t width = 197;
  const auto x = random_rows(11, width, 5);
  const auto y = random_rows(149, width, 6);
  const Best all = run(x, y, {11, 149, width, 149});
  for (const int64_t n : {0, 7, 10}) {
    for (const int64_t m : {0, 47, 48, 148}) {
      const std::vector<float> one_x(x.begin() + n * width, x.begin() + (n + 1) * width);
      const std::vector<float> one_y(y.begin() + m * width, y.begin() + (m + 1) * width);
      const auto begin = all.indices.begin() + n * 149;
      const auto at = std::find(begin, begin + 149, m) - all.indices.begin();
      EXPECT_EQ(run(one_x, one_y, {1, 1, width, 1}).values[0], all.values[at]) << n << " " << m;
    }
  }
}

TEST(TopK, IsTheSameForAnyNumberOfThreadsAndAnyWorkspace) {
  const TopKDims d{77, 613, 19, 40};
  const auto x = tied_rows(d.queries, d.width, 7);
  const auto y = tied_rows(d.candidates, d.width, 8);
  const int before = cpu_threads();
  set_cpu_threads(1);
  const Best one = run(x, y, d);
  set_cpu_threads(3);
  const Best three = run(x, y, d);
  const Best small = run(x, y, d, Room::kOneThread);
  set_cpu_threads(before);
  EXPECT_EQ(one.indices, three.indices);
  EXPECT_EQ(one.values, three.values);
  EXPECT_EQ(one.indices, small.indices);
}

TEST(TopK, NeedsBelowAHundredMegabytesForTheWholeOfCifarTen) {
  const TopKDims d{10'000, 50'000, 512, 200};
  const double results = static_cast<double>(d.queries * d.k) * (sizeof(float) + sizeof(int64_t));
  const int threads = cpu_threads();
  for (const int t : {1, 2, 16}) {
    set_cpu_threads(t);
    EXPECT_LT(results + static_cast<double>(top_k_similarity_workspace_bytes_cpu(d)), 100e6) << t;
  }
  set_cpu_threads(threads);
}

TEST(L2NormalizeRows, GivesRowsOfNormOneAndLeavesZerosAlone) {
  const std::vector<float> x{3.0f, 4.0f, 0.0f, 0.0f, 1e-20f, 0.0f, 1e20f, -1e20f};
  std::vector<float> y(x.size(), kNan);
  l2_normalize_rows_cpu(x.data(), y.data(), {4, 2}, Stream{});
  const float half = std::sqrt(0.5f);
  const std::vector<float> want{0.6f, 0.8f, 0.0f, 0.0f, 1e-8f, 0.0f, half, -half};
  for (size_t i = 0; i < y.size(); ++i) EXPECT_FLOAT_EQ(y[i], want[i]) << i;
}

TEST(L2NormalizeRows, MayWorkInPlaceAndOnManyRows) {
  for (const RowDims d : {RowDims{0, 4}, RowDims{3, 0}, RowDims{1, 1}, RowDims{4099, 33}}) {
    std::vector<float> x(d.rows * d.cols);
    RandomStream random({.seed = 9, .op = RandomOp::kSynthetic});
    for (float& v : x) v = random.normal() * 100.0f;
    std::vector<float> y = x;
    l2_normalize_rows_cpu(y.data(), y.data(), d, Stream{});
    for (int64_t r = 0; r < d.rows; ++r) {
      double norm = 0;
      for (int64_t c = 0; c < d.cols; ++c)
        norm += static_cast<double>(x[r * d.cols + c]) * x[r * d.cols + c];
      for (int64_t c = 0; c < d.cols; ++c)
        ASSERT_FLOAT_EQ(y[r * d.cols + c], static_cast<float>(x[r * d.cols + c] / std::sqrt(norm)));
    }
  }
}

}  // namespace
}  // namespace rela
