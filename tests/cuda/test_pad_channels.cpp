// Padding and cropping of few channels against plain loops: both are exact but for f32 sums.

#include <gtest/gtest.h>

#include <tuple>

#include "kernels/conv/pad_channels.h"
#include "tests/support/cuda_arrays.h"

namespace rela::test {
namespace {

class PadChannels : public ::testing::TestWithParam<std::tuple<int64_t, int64_t, Dtype>> {
 protected:
  /// `count` values that 16-bit types hold exactly, none of them 0.
  static std::vector<float> values(int64_t count) {
    std::vector<float> all;
    for (int64_t i = 0; i < count; ++i)
      all.push_back(static_cast<float>(i % 100 + 1) * (i % 2 == 0 ? 0.25f : -0.5f));
    return all;
  }

  int64_t rows_ = std::get<0>(GetParam());
  int64_t cols_ = std::get<1>(GetParam());
  Dtype dtype_ = std::get<2>(GetParam());
  RowDims dims_{rows_, cols_};
};

TEST_P(PadChannels, KeepsTheChannelsAndAddsZeros) {
  const std::vector<float> x = values(rows_ * cols_);
  std::vector<float> want;
  for (int64_t i = 0; i < rows_; ++i) {
    for (int64_t c = 0; c < kPaddedChannels; ++c)
      want.push_back(c < cols_ ? x[static_cast<size_t>(i * cols_ + c)] : 0.0f);
  }
  for_each_schedule([&] {
    const DeviceValues source(x, dtype_);
    DeviceValues y(rows_ * kPaddedChannels, dtype_);
    pad_channels_cuda(dims_, source.data(), y.data(), dtype_, kTestStream);
    EXPECT_EQ(y.download(), want);
  });
}

TEST_P(PadChannels, CroppingOverwritesAndAccumulates) {
  const std::vector<float> x = values(rows_ * kPaddedChannels);
  std::vector<float> cropped;
  for (int64_t i = 0; i < rows_; ++i) {
    for (int64_t c = 0; c < cols_; ++c)
      cropped.push_back(x[static_cast<size_t>(i * kPaddedChannels + c)]);
  }
  const std::vector<float> before(cropped.size(), 3.0f);
  std::vector<float> sums = cropped;
  for (float& sum : sums) sum += 3.0f;
  for_each_schedule([&] {
    const DeviceValues source(x, dtype_);
    DeviceArray<float> written(rows_ * cols_);
    DeviceArray<float> added(before);
    crop_channels_cuda(dims_, source.data(), {written.data()}, dtype_, kTestStream);
    crop_channels_cuda(dims_, source.data(), {added.data(), Write::kAccumulate}, dtype_,
                       kTestStream);
    EXPECT_EQ(written.download(), cropped);
    EXPECT_EQ(added.download(), sums);
  });
}

// A block has 256 threads, one per row.
INSTANTIATE_TEST_SUITE_P(Sizes, PadChannels,
                         ::testing::Combine(::testing::Values(0, 1, 5, 255, 256, 257, 1031),
                                            ::testing::Values(1, 3, 4, 7),
                                            ::testing::Values(Dtype::kBf16, Dtype::kF16)));

TEST(PaddedDims, AreThoseOfSixteenBitImages) {
  const auto channels = [](int64_t c, Dtype dtype, Conv2dPass pass) {
    return padded_dims({.dims = {.c = c}, .dtype = dtype}, pass).c;
  };
  constexpr auto kForward = Conv2dPass::kForward;
  constexpr auto kWeights = Conv2dPass::kBackwardWeights;
  EXPECT_EQ(channels(3, Dtype::kBf16, kForward), 8);
  EXPECT_EQ(channels(3, Dtype::kBf16, kWeights), 8);
  EXPECT_EQ(channels(1, Dtype::kF16, kWeights), 8);
  EXPECT_EQ(channels(3, Dtype::kF16, kForward), 3);
  EXPECT_EQ(channels(3, Dtype::kF32, kForward), 3);
  EXPECT_EQ(channels(3, Dtype::kF32, kWeights), 3);
  EXPECT_EQ(channels(3, Dtype::kBf16, Conv2dPass::kBackwardData), 3);
  EXPECT_EQ(channels(8, Dtype::kBf16, kForward), 8);
  EXPECT_EQ(channels(12, Dtype::kBf16, kForward), 12);
}

}  // namespace
}  // namespace rela::test
