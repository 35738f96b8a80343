#include <gtest/gtest.h>

#include "kernels/augment/normalize_u8.h"
#include "tests/support/array.h"
#include "tests/support/cuda_harness.h"

namespace rela::test {
namespace {

std::vector<uint8_t> bytes(int64_t n) {
  std::vector<uint8_t> x(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    x[static_cast<size_t>(i)] = static_cast<uint8_t>(i * 37 + i / 256);
  return x;
}

class NormalizeU8 : public ::testing::TestWithParam<std::tuple<int64_t, Dtype>> {
 protected:
  void expect_normalized(const std::vector<float>& got, const std::vector<uint8_t>& x) const {
    const Normalization n = imagenet_normalization();
    const double tolerance = std::get<1>(GetParam()) == Dtype::kF32 ? 1e-6 : 1.0 / 128;
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = (x[i] / 255.0 - n.mean[i % 3]) / n.std[i % 3];
      ASSERT_NEAR(got[i], want, tolerance) << i;
    }
  }
};

TEST_P(NormalizeU8, IsTheFormulaOnBothDevices) {
  const auto [pixels, dtype] = GetParam();
  const std::vector<uint8_t> x = bytes(3 * pixels);
  NormalizeU8Args args{.x = x.data(), .normalization = imagenet_normalization()};
  std::vector<float> on_cpu(x.size());
  args.y = on_cpu.data();
  if (dtype == Dtype::kF32) {
    normalize_u8_cpu(args, pixels, dtype, {});
    expect_normalized(on_cpu, x);
  }
  for_each_schedule([&, pixels = pixels, dtype = dtype] {
    const DeviceArray<uint8_t> source(x);
    DeviceValues y(3 * pixels, dtype);
    args.x = source.data();
    args.y = y.data();
    normalize_u8_cuda(args, pixels, dtype, kTestStream);
    expect_normalized(y.download(), x);
  });
}
// 16 pixels are three groups of 16 elements, one per phase.
INSTANTIATE_TEST_SUITE_P(Sizes, NormalizeU8,
                         ::testing::Combine(::testing::Values(0, 1, 5, 16, 31, 32, 33, 197, 1031),
                                            ::testing::ValuesIn(kStorageTypes)));

TEST(NormalizeU8, TakesABatchThatIsNotAligned) {
  const std::vector<uint8_t> x = bytes(100);
  for_each_schedule([&] {
    const DeviceArray<uint8_t> source(x);
    DeviceArray<float> y(size_t{99});
    normalize_u8_cuda({.x = source.data() + 1, .y = y.data(), .normalization = {}}, 33, Dtype::kF32,
                      kTestStream);
    const std::vector<float> got = y.download();
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], x[i + 1] / 255.0, 1e-6) << i;
  });
}

}  // namespace
}  // namespace rela::test
