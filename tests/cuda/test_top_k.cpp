#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/libraries/tuning/product_algorithm.h"
#include "kernels/similarity/top_k_algorithms_cuda.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/cuda_harness.h"
#include "tests/support/top_k_oracle.h"

namespace rela {

std::ostream& operator<<(std::ostream& out, const TopKDims& d) {
  return out << d.queries << "x" << d.candidates << "x" << d.width << "_k" << d.k << "_"
             << dtype_name(d.dtype);
}

namespace test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// One chain of fmaf over the width, as in the contract. Small integers are exact in any order, so
/// bf16 and tensor cores give the same.
float similarity(const float* x, const float* y, int64_t width) {
  float sum = 0;
  for (int64_t d = 0; d < width; ++d) sum = std::fmaf(x[d], y[d], sum);
  return sum;
}

/// Small, so that there are several in each direction, plus remainders.
constexpr TopKTiles kTiles{48, 400};

Best run(ProductAlgorithm algorithm, const std::vector<float>& x, const std::vector<float>& y,
         const TopKDims& d) {
  const DeviceValues dx(x, d.dtype), dy(y, d.dtype);
  DeviceArray<float> values(d.queries * d.k);
  DeviceArray<int64_t> indices(d.queries * d.k);
  const TopKOutput out{values.data(), indices.data()};
  if (algorithm == ProductAlgorithm::kTiled && d.width > 0) {
    DeviceWorkspace workspace(top_k_similarity_tiled_workspace_bytes_cuda(d, kTiles));
    top_k_similarity_tiled_cuda({dx.data(), dy.data()}, out, d, workspace.get(), kTestStream,
                                kTiles);
  } else {
    DeviceWorkspace workspace(top_k_similarity_workspace_bytes_cuda(d));
    top_k_similarity_cuda(dx.data(), dy.data(), out, d, workspace.get(), kTestStream);
  }
  return {values.download(), indices.download()};
}

void expect_full_sort(ProductAlgorithm algorithm, const std::vector<float>& x,
                      const std::vector<float>& y, const TopKDims& d) {
  const Best want = full_sort(x, y, d, similarity);
  for_each_schedule([&] {
    const Best got = run(algorithm, x, y, d);
    EXPECT_EQ(got.values, want.values);
    EXPECT_EQ(got.indices, want.indices);
  });
}

std::string name_of(ProductAlgorithm algorithm) {
  return algorithm == ProductAlgorithm::kTiled ? "tiled" : "fused";
}

class TopKCuda : public testing::TestWithParam<std::tuple<ProductAlgorithm, TopKDims>> {};

TEST_P(TopKCuda, EqualsAFullSortWithPlantedTies) {
  const auto& [algorithm, d] = GetParam();
  expect_full_sort(algorithm, tied_rows(d.queries, d.width, 1), tied_rows(d.candidates, d.width, 2),
                   d);
}

constexpr TopKDims kSizes[] = {{1, 1, 1, 1},
                               {3, 5, 0, 5},
                               {2, 33, 17, 31},
                               {131, 700, 13, 7},
                               {5, 900, 32, 256},
                               {4, 257, 40, 256},
                               {2, 8500, 3, 100},  // two parts, merged
                               {1, 1, 1, 1, Dtype::kBf16},
                               {33, 600, 31, 200, Dtype::kBf16},
                               {130, 300, 40, 9, Dtype::kBf16},
                               {33, 300, 40, 9, Dtype::kF16},
                               {3, 900, 64, 256, Dtype::kBf16},
                               {2, 12500, 8, 256, Dtype::kBf16}};
INSTANTIATE_TEST_SUITE_P(Sizes, TopKCuda,
                         testing::Combine(testing::ValuesIn(kProductAlgorithms),
                                          testing::ValuesIn(kSizes)),
                         [](const auto& info) {
                           return name_of(std::get<0>(info.param)) + "_" +
                                  testing::PrintToString(std::get<1>(info.param));
                         });

class TopKAlgorithm : public testing::TestWithParam<ProductAlgorithm> {};

TEST(TopKFusedCuda, F32SimilaritiesAreOneChainToTheBit) {
  const TopKDims d{17, 300, 45, 50};
  expect_full_sort(ProductAlgorithm::kFused, normal_rows(d.queries, d.width, 3),
                   normal_rows(d.candidates, d.width, 4), d);
}

TEST_P(TopKAlgorithm, AscendingSimilaritiesReplaceEverythingKept) {
  // Four parts, merged in three rounds: the best are in the last one.
  const TopKDims d{3, 16500, 1, 256};
  std::vector<float> y(d.candidates);
  std::iota(y.begin(), y.end(), 1.0f);
  expect_full_sort(GetParam(), {1, 2, -1}, y, d);
}

TEST_P(TopKAlgorithm, NanAndMinusInfinityAreNeverChosen) {
  const TopKDims d{2, 6, 1, 4};
  expect_full_sort(GetParam(), {1, -1}, {kNan, -kInf, 3, kInf, kNan, -0.0f}, d);
  expect_full_sort(GetParam(), {1, -1}, {kNan, -kInf, kNan, kInf, kNan, kNan}, d);
}

TEST_P(TopKAlgorithm, NothingToFindWritesNothing) {
  for_each_schedule([&] {
    EXPECT_TRUE(run(GetParam(), {}, {1, 2}, {0, 2, 1, 1}).values.empty());
    EXPECT_TRUE(run(GetParam(), {1}, {}, {1, 0, 1, 0}).values.empty());
  });
}

INSTANTIATE_TEST_SUITE_P(Algorithms, TopKAlgorithm, testing::ValuesIn(kProductAlgorithms),
                         [](const auto& info) { return name_of(info.param); });

}  // namespace
}  // namespace test
}  // namespace rela
