#include <gtest/gtest.h>

#include <tuple>

#include "kernels/gather/gather_rows.h"
#include "tests/support/cuda_arrays.h"

namespace rela::test {
namespace {

constexpr Write kModes[] = {Write::kOverwrite, Write::kAccumulate};

class GatherRowsCuda : public ::testing::TestWithParam<std::tuple<int64_t, Dtype>> {
 protected:
  static constexpr int64_t kTable = 11;
  int64_t cols() const { return std::get<0>(GetParam()); }
  Dtype dtype() const { return std::get<1>(GetParam()); }
};

TEST_P(GatherRowsCuda, CopiesOrAddsRowsByTheirIndex) {
  Random random(1);
  const Array table = random_array({kTable, cols()}, random);
  const std::vector<int64_t> rows{10, 0, 3, 3, 7};
  const auto n = static_cast<int64_t>(rows.size());
  Array want({n, cols()});
  for (int64_t i = 0; i < want.numel(); ++i) {
    want[i] = table[rows[static_cast<size_t>(i / cols())] * cols() + i % cols()];
  }
  const Array old = random_array({n, cols()}, random);
  for_each_schedule([&] {
    const DeviceValues x = on_device(table, dtype());
    const DeviceArray<int64_t> index(rows);
    for (const Write mode : kModes) {
      DeviceValues y = output_like(old, dtype(), mode);
      gather_rows_cuda({x.data(), index.data(), y.data(), dtype(), mode}, {n, cols()}, kTestStream);
      expect_near("y", y.download(), expected(old, want, mode), {.dtype = dtype()});
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, GatherRowsCuda,
                         ::testing::Combine(::testing::Values(1, 8, 31, 32, 33, 197),
                                            ::testing::ValuesIn(kStorageTypes)));

TEST(GatherRowsCuda, CopiesBytesOfAnyType) {
  std::vector<uint8_t> images(5 * 12);
  for (size_t i = 0; i < images.size(); ++i) images[i] = static_cast<uint8_t>(i);
  for_each_schedule([&] {
    const DeviceArray<uint8_t> x(images);
    const DeviceArray<int64_t> index(std::vector<int64_t>{4, 1});
    DeviceArray<uint8_t> y(size_t{24});
    gather_rows_cuda({x.data(), index.data(), y.data(), Dtype::kU8}, {2, 12}, kTestStream);
    const std::vector<uint8_t> got = y.download();
    for (size_t i = 0; i < 24; ++i) EXPECT_EQ(got[i], (i < 12 ? 48 : 0) + i) << i;
  });
}

TEST(GatherRowsCuda, NothingToGatherDoesNothing) {
  gather_rows_cuda({}, {0, 5}, kTestStream);
  gather_rows_cuda({}, {5, 0}, kTestStream);
}

}  // namespace
}  // namespace rela::test
