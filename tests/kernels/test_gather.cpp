// Gathers rows of a table by index, on every device of the build.

#include <gtest/gtest.h>

#include "kernels/gather/gather_rows.h"
#include "runtime/error.h"
#include "runtime/ops/gather.h"

namespace rela::test {
namespace {

Tensor table_of(int64_t rows, int64_t cols) {
  Tensor x = Tensor::empty({rows, cols}, Dtype::kF32);
  for (int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = static_cast<float>(i);
  return x;
}
Tensor indices(std::vector<int64_t> values) {
  Tensor index = Tensor::empty({static_cast<int64_t>(values.size())}, Dtype::kI64);
  std::ranges::copy(values, index.data<int64_t>());
  return index;
}

TEST(GatherRows, TakesRowsInTheOrderOfTheIndexAndMayRepeatThem) {
  const Tensor x = table_of(7, 5);
  Tensor y = Tensor::empty({4, 5}, Dtype::kF32);
  gather_rows(x, indices({6, 0, 3, 6}), y);
  const int64_t want[] = {6, 0, 3, 6};
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t c = 0; c < 5; ++c) {
      EXPECT_EQ(y.data<float>()[i * 5 + c], static_cast<float>(want[i] * 5 + c));
    }
  }
}

TEST(GatherRows, AddsWhereAsked) {
  const Tensor x = table_of(3, 2), index = indices({2, 2});
  Tensor y = table_of(2, 2);
  gather_rows_cpu(
      {.x = x.raw(), .index = index.data<int64_t>(), .y = y.raw(), .mode = Write::kAccumulate},
      {2, 2}, {});
  const float want[] = {4, 6, 6, 8};
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(y.data<float>()[i], want[i]);
}

TEST(GatherRows, RefusesWhatDoesNotFit) {
  const Tensor x = table_of(3, 2);
  Tensor y = Tensor::empty({2, 3}, Dtype::kF32), wrong = Tensor::empty({2, 2}, Dtype::kBf16);
  EXPECT_THROW(gather_rows(x, indices({0, 1}), y), ShapeError);
  EXPECT_THROW(gather_rows(x, indices({0, 1}), wrong), DtypeError);
  EXPECT_THROW(gather_rows(x, x, y), DtypeError);
  Tensor none = Tensor::empty({0, 2}, Dtype::kF32);
  gather_rows(x, indices({}), none);
}

}  // namespace
}  // namespace rela::test
