#include <gmock/gmock.h>

#include <cstring>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"
#include "runtime/ops/ops.h"
#include "tests/support/array.h"

namespace rela::test {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

Var zeros(const Shape& shape, Dtype dtype = Dtype::kF32) {
  return Var(Tensor::zeros(shape, dtype));
}

TEST(Linear, SaysWhatDoesNotFit) {
  const Var x = zeros({5, 3});
  EXPECT_THAT(
      [&] {
        linear(zeros({2, 5, 5, 3}), zeros({4, 3}));
      },
      ThrowsMessage<ShapeError>(HasSubstr("x f32 [2, 5, 5, 3]; rows of features [N, D]")));
  EXPECT_THAT(
      [&] {
        linear(x, zeros({4, 3, 1}));
      },
      ThrowsMessage<ShapeError>(HasSubstr("weight f32 [4, 3, 1]; it is [K, D] or filters")));
  EXPECT_THAT(
      [&] {
        linear(x, zeros({4, 7}));
      },
      ThrowsMessage<ShapeError>(
          HasSubstr("x f32 [5, 3] has 3 features but weight f32 [4, 7] expects 7")));
  EXPECT_THAT(
      [&] {
        linear(x, zeros({4, 3}), zeros({3}));
      },
      ThrowsMessage<ShapeError>(HasSubstr("bias f32 [3]; weight f32 [4, 3] needs f32 [4]")));
  EXPECT_THAT(
      [&] {
        linear(x, zeros({4, 3}), zeros({4}, Dtype::kBf16));
      },
      ThrowsMessage<ShapeError>(HasSubstr("bias bf16 [4]")));
  EXPECT_THAT(
      [&] {
        linear(zeros({5, 3}, Dtype::kI64), zeros({4, 3}));
      },
      ThrowsMessage<DtypeError>(HasSubstr("i64 [5, 3] on cpu; f32 and bf16 are allowed")));
}

TEST(Linear, BiasGradientDoesNotDependOnTheNumberOfThreads) {
  Random random(1);
  const Tensor x = to_tensor(random_array({197, 8}, random), Dtype::kF32);
  const Tensor dy = to_tensor(random_array({197, 331}, random), Dtype::kF32);
  const auto bias_gradient = [&](int threads) {
    set_cpu_threads(threads);
    const Var bias = make_parameter(Tensor::zeros({331}, Dtype::kF32));
    backward(linear(Var(x), zeros({331, 8}), bias), dy);
    return parameter_grad(bias).clone();
  };
  const int before = cpu_threads();
  const Tensor one = bias_gradient(1), three = bias_gradient(3);
  set_cpu_threads(before);
  EXPECT_EQ(std::memcmp(one.raw(), three.raw(), one.bytes()), 0);
}

}  // namespace
}  // namespace rela::test
