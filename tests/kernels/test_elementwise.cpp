#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/error.h"
#include "runtime/ops/ops.h"
#include "tests/support/oracle/activation.h"

namespace rela::test {
namespace {

TEST(Cast, RoundsEveryAwkwardF32AsScalarRoundingDoes) {
  std::vector<float> values;
  for (uint32_t high = 0; high < 0x10000; high += 37) {
    for (const uint32_t low : {0x0000u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      values.push_back(std::bit_cast<float>(high << 16 | low));
    }
  }
  values.push_back(std::bit_cast<float>(0x7f800001u));  // NaN with the upper half of infinity
  values.push_back(std::bit_cast<float>(0xff80ffffu));
  const Tensor x = Tensor::from(values, {static_cast<int64_t>(values.size())});
  const Var y = cast(Var(x), Dtype::kBf16);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t got = y.value().span<Bf16>()[i].bits;
    const bool flushed = std::fpclassify(values[i]) == FP_SUBNORMAL && (got & 0x7fff) == 0;
    ASSERT_TRUE(flushed || got == to_bf16(values[i]).bits) << "value " << i << ": " << values[i];
  }
}

TEST(Cast, RefusesIntegers) {
  EXPECT_THROW(cast(Var(Tensor::zeros({2}, Dtype::kI64)), Dtype::kF32), DtypeError);
}

TEST(Relu, KeepsNanAndIsClosedAtZero) {
  const Var x = make_parameter(
      Tensor::from(std::vector<float>{-1, 0, 2, std::numeric_limits<float>::quiet_NaN()}, {4}));
  const Var y = relu(x);
  EXPECT_EQ(y.value().data<float>()[0], 0);
  EXPECT_EQ(y.value().data<float>()[2], 2);
  EXPECT_TRUE(std::isnan(y.value().data<float>()[3]));
  backward(y, Tensor::full({4}, 1.0f));
  EXPECT_EQ(parameter_grad(x).data<float>()[0], 0);
  EXPECT_EQ(parameter_grad(x).data<float>()[1], 0);
  EXPECT_EQ(parameter_grad(x).data<float>()[2], 1);
}

TEST(Relu, WorksOnSeveralThreads) {
  const int64_t n = 100'003;
  Tensor x = Tensor::empty({n}, Dtype::kF32);
  for (int64_t i = 0; i < n; ++i) x.data<float>()[i] = static_cast<float>(i % 7) - 3;
  const Var y = relu(Var(x));
  for (int64_t i = 0; i < n; ++i)
    ASSERT_EQ(y.value().data<float>()[i], std::max(0.0f, x.data<float>()[i])) << i;
}

TEST(Add, RefusesDifferentShapesAndDtypes) {
  EXPECT_THROW(add(Var(Tensor::zeros({2}, Dtype::kF32)), Var(Tensor::zeros({3}, Dtype::kF32))),
               ShapeError);
  EXPECT_THROW(add(Var(Tensor::zeros({2}, Dtype::kF32)), Var(Tensor::zeros({2}, Dtype::kBf16))),
               DtypeError);
}

TEST(Softmax, Bf16GradientsComeFromTheStoredResult) {
  Random random(1);
  const Array x = random_array({9, 33}, random, -3, 3);
  const Array dy = random_array({9, 33}, random);
  Tensor dx;
  const Var anchor = make_parameter(Tensor::zeros({1}, Dtype::kF32));
  const Var in = record("input", to_tensor(x, Dtype::kBf16), {anchor},
                        [&dx](const Tensor& d, GradSink&) { dx = d.clone(); });
  const Var y = softmax(in);
  const RoundingModel model{.dtype = Dtype::kBf16, .reduction = 33};
  const Array want = softmax_oracle(x);
  EXPECT_EQ(difference("y", to_array(y.value()), want, tolerance_of(model, want)), "");
  backward(y, to_tensor(dy, Dtype::kBf16));
  const Array want_dx = softmax_backward_oracle(to_array(y.value()), dy);
  EXPECT_EQ(difference("dx", to_array(dx), want_dx, tolerance_of(model, want_dx)), "");
}

TEST(Softmax, NanStaysInItsRow) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Var y = softmax(Var(Tensor::from(std::vector<float>{1, nan, 1, 1}, {2, 2})));
  EXPECT_TRUE(std::isnan(y.value().data<float>()[0]));
  EXPECT_EQ(y.value().data<float>()[2], 0.5f);
}

TEST(LayerNorm, SaysWhatDoesNotFit) {
  const LayerNormParams params{.gamma = make_parameter(Tensor::full({5}, 1.0f)),
                               .beta = make_parameter(Tensor::full({5}, 0.0f))};
  try {
    layer_norm(Var(Tensor::zeros({7, 6}, Dtype::kF32)), params);
    FAIL();
  } catch (const ShapeError& e) {
    EXPECT_STREQ(e.what(), "layer_norm: gamma is f32 [5]; x f32 [7, 6] needs f32 [6]");
  }
}

}  // namespace
}  // namespace rela::test
