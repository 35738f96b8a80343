#include "runtime/tensor.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "runtime/error.h"
#include "runtime/gpu_facts.h"

namespace rela {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::ThrowsMessage;

Tensor counting(const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return Tensor::from(values, shape);
}

TEST(Shape, CountsElementsAndRows) {
  EXPECT_EQ(Shape().numel(), 1);
  EXPECT_EQ((Shape{2, 3, 5}).numel(), 30);
  EXPECT_EQ((Shape{2, 3, 5}).rows(), 6);
  EXPECT_EQ((Shape{2, 0, 5}).numel(), 0);
  EXPECT_EQ((Shape{7, 197})[-1], 197);
}

TEST(Shape, ComparesOnlyItsAxes) {
  EXPECT_EQ((Shape{2, 3}), (Shape{2, 3}));
  EXPECT_NE((Shape{2, 3}), (Shape{2, 3, 1}));
  EXPECT_NE(Shape(), Shape{1});
}

TEST(Shape, RefusesNegativeSizesDeepRanksAndAxesThatAreNotThere) {
  EXPECT_THAT(
      [] {
        (void)Shape({2, -1});
      },
      ThrowsMessage<ShapeError>(HasSubstr("[2, -1] has a negative size")));
  EXPECT_THAT(
      [] {
        (void)Shape({1, 1, 1, 1, 1, 1, 1, 1, 1});
      },
      ThrowsMessage<ShapeError>(HasSubstr("rank 9; at most 8")));
  EXPECT_THAT(
      [] {
        (void)Shape({2, 3})[2];
      },
      ThrowsMessage<ShapeError>(HasSubstr("axis 2 of [2, 3]; rank is 2")));
  EXPECT_THROW((void)Shape()[-1], ShapeError);
}

TEST(Tensor, IsUndefinedUntilMade) {
  EXPECT_FALSE(Tensor().defined());
  EXPECT_EQ(describe(Tensor()), "undefined tensor");
  EXPECT_EQ(describe(Tensor::zeros({2, 3}, Dtype::kBf16)), "bf16 [2, 3]");
}

TEST(Tensor, HoldsWhatItWasMadeFrom) {
  EXPECT_THAT(counting({2, 3}).span<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Tensor::full({3}, 2.5f).span<float>(), ElementsAre(2.5f, 2.5f, 2.5f));
  EXPECT_THAT(Tensor::zeros({2}, Dtype::kI64).span<int64_t>(), ElementsAre(0, 0));
  EXPECT_EQ(Tensor::full({}, 7).span<float>().size(), 1u);
  EXPECT_EQ(Tensor::zeros({31}, Dtype::kBf16).bytes(), 62u);
}

TEST(Tensor, MayBeEmpty) {
  const Tensor t = Tensor::empty({0, 5}, Dtype::kF32);
  EXPECT_TRUE(t.defined());
  EXPECT_EQ(t.bytes(), 0u);
  EXPECT_EQ(t.clone().shape(), (Shape{0, 5}));
  EXPECT_EQ(t.slice(0, 0).shape(), (Shape{0, 5}));
  EXPECT_EQ(t.view({5, 0}).numel(), 0);
}

TEST(Tensor, CopiesShareMemoryAndClonesDoNot) {
  Tensor a = counting({3});
  Tensor shared = a, copy = a.clone();
  a.data<float>()[1] = 9;
  EXPECT_THAT(shared.span<float>(), ElementsAre(0, 9, 2));
  EXPECT_THAT(copy.span<float>(), ElementsAre(0, 1, 2));
}

TEST(Tensor, KeepsMemoryAliveThroughViews) {
  Tensor row;
  {
    const Tensor whole = counting({3, 2});
    row = whole.slice(1, 2);
  }
  EXPECT_THAT(row.span<float>(), ElementsAre(2, 3));
}

TEST(Tensor, ViewsSlicesAndSegmentsLookAtTheSameElements) {
  Tensor t = counting({4, 3});
  EXPECT_EQ(t.view({2, 6}).raw(), t.raw());
  EXPECT_EQ(t.slice(1, 3).shape(), (Shape{2, 3}));
  EXPECT_THAT(t.slice(1, 3).span<float>(), ElementsAre(3, 4, 5, 6, 7, 8));
  EXPECT_THAT(t.slice(1, 3).slice(1, 2).span<float>(), ElementsAre(6, 7, 8));
  EXPECT_EQ(t.slice(4, 4).numel(), 0);
  Tensor piece = t.segment(5, {2, 2});
  EXPECT_THAT(piece.span<float>(), ElementsAre(5, 6, 7, 8));
  piece.fill_zero();
  EXPECT_THAT(t.span<float>(), ElementsAreArray({0, 1, 2, 3, 4, 0, 0, 0, 0, 9, 10, 11}));
}

TEST(Tensor, RefusesViewsThatDoNotFit) {
  const Tensor t = counting({4, 3});
  EXPECT_THAT(
      [&] {
        (void)t.view({5, 2});
      },
      ThrowsMessage<ShapeError>(HasSubstr("view: f32 [4, 3] as [5, 2]")));
  EXPECT_THAT([&] { (void)t.slice(3, 5); },
              ThrowsMessage<ShapeError>(HasSubstr("slice: rows [3, 5) of f32 [4, 3]")));
  EXPECT_THROW((void)t.slice(2, 1), ShapeError);
  EXPECT_THROW((void)t.slice(-1, 1), ShapeError);
  EXPECT_THROW((void)Tensor::full({}, 1).slice(0, 1), ShapeError);
  EXPECT_THAT([&] { (void)t.segment(10, {3}); },
              ThrowsMessage<ShapeError>(
                  HasSubstr("segment: [3] at element 10 does not lie in f32 [4, 3]")));
  EXPECT_THROW((void)t.segment(-1, {1}), ShapeError);
}

TEST(Tensor, RefusesTheWrongType) {
  Tensor t = counting({2});
  EXPECT_THAT([&] { (void)t.data<Bf16>(); },
              ThrowsMessage<DtypeError>(HasSubstr("f32 [2] accessed as bf16")));
}

TEST(Tensor, CopiesOnlyFromItsEqual) {
  Tensor t = Tensor::zeros({2, 3}, Dtype::kF32);
  t.copy_from(counting({6}));
  EXPECT_THAT(t.span<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THROW(t.copy_from(counting({5})), ShapeError);
  EXPECT_THROW(t.copy_from(Tensor::zeros({6}, Dtype::kBf16)), ShapeError);
  EXPECT_THAT(
      [] {
        (void)Tensor::from(std::vector<float>{1, 2}, {3});
      },
      ThrowsMessage<ShapeError>(HasSubstr("2 values for shape [3]")));
}

TEST(Tensor, RefusesADeviceThatThisBuildLacks) {
  if (gpu_facts().build != CudaBuild::kNone) GTEST_SKIP() << "this build has a cuda device";
  EXPECT_THAT([] { (void)Tensor::zeros({1}, Dtype::kF32, Device::kCuda); },
              ThrowsMessage<UnsupportedError>(HasSubstr("device: cuda is not in this build")));
}

/// The value of the bits of a half (IEEE 754, binary16).
double value_of(uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const double sign = half >> 15 != 0 ? -1 : 1;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(F16, IsReadAndRoundedAsTheStandardSays) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = to_float(F16{half});
    if ((half & 0x7c00) == 0x7c00) {
      EXPECT_EQ(std::isnan(value), (half & 1023) != 0) << half;
      continue;
    }
    ASSERT_EQ(value, value_of(half)) << half;
    ASSERT_EQ(to_f16(value).bits, half);
    // Halfway to the next value rounds to even, the next larger f32 rounds up.
    const auto up = static_cast<uint16_t>(half + 1);
    if ((up & 0x7c00) == 0x7c00) continue;
    const auto middle = static_cast<float>((value_of(half) + value_of(up)) / 2);
    ASSERT_EQ(to_f16(middle).bits, half % 2 == 0 ? half : up) << half;
    ASSERT_EQ(to_f16(std::nextafter(middle, 2 * middle)).bits, up) << half;
  }
}

TEST(F16, GoesToInfinityBeyondItsRangeAndKeepsNan) {
  EXPECT_EQ(to_f16(65519.9f).bits, 0x7bff);
  EXPECT_EQ(to_f16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(to_f16(-1e30f).bits, 0xfc00);
  EXPECT_EQ(to_f16(-0.0f).bits, 0x8000);
  EXPECT_EQ(to_f16(1e-9f).bits, 0);
  EXPECT_TRUE(std::isnan(to_float(to_f16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Bf16, RoundsToNearestEvenAndKeepsNan) {
  EXPECT_EQ(to_float(to_bf16(1.0f)), 1.0f);
  EXPECT_EQ(to_float(to_bf16(1.0f + 0x1p-8f)), 1.0f);            // tie, down to even
  EXPECT_EQ(to_float(to_bf16(1.0f + 0x3p-8f)), 1.0f + 0x4p-8f);  // tie, up to even
  EXPECT_EQ(to_float(to_bf16(1.0f + 0x1.02p-8f)), 1.0f + 0x1p-7f);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(to_float(to_bf16(-infinity)), -infinity);
  EXPECT_EQ(to_float(to_bf16(std::numeric_limits<float>::max())), infinity);
  const auto sneaky_nan = std::bit_cast<float>(0x7f800001u);  // its upper half alone is infinity
  EXPECT_TRUE(std::isnan(to_float(to_bf16(sneaky_nan))));
}

}  // namespace
}  // namespace rela
