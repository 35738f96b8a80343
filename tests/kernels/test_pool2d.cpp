#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "runtime/error.h"
#include "runtime/ops/ops.h"
#include "tests/support/array.h"

namespace rela::test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// Gradient of x if every element of the output has gradient 1.
Tensor gradient_of_ones(const Tensor& x, const Pool2dOptions& options) {
  const Var p = make_parameter(x);
  const Var y = max_pool2d(p, options);
  backward(y, Tensor::full(y.shape(), 1));
  return parameter_grad(p);
}

TEST(MaxPool2d, GivesTiesToTheFirst) {
  const Tensor x = Tensor::full({1, 2, 4, 1}, 3);
  const Tensor dx = gradient_of_ones(x, {.kernel = 2, .stride = 2});
  EXPECT_THAT(dx.span<float>(), ElementsAre(1, 0, 1, 0, 0, 0, 0, 0));
}

TEST(MaxPool2d, NeverChoosesPadding) {
  const Tensor x = Tensor::full({1, 3, 3, 2}, -1e30f);
  const Var y = max_pool2d(Var(x), {.kernel = 3, .stride = 1, .padding = 1});
  EXPECT_THAT(y.value().span<float>(), Each(-1e30f));
  const Tensor lowest = Tensor::full({1, 3, 3, 2}, -std::numeric_limits<float>::infinity());
  const Tensor dx = gradient_of_ones(lowest, {.kernel = 3, .stride = 2, .padding = 1});
  float sum = 0;
  for (const float g : dx.span<float>()) sum += g;
  EXPECT_EQ(sum, 8) << "four windows of two channels";
}

TEST(MaxPool2d, PassesNanOn) {
  for (int64_t where = 0; where < 4; ++where) {
    Tensor x = Tensor::full({1, 2, 2, 1}, 5);
    x.data<float>()[where] = std::nanf("");
    const Var y = max_pool2d(Var(x), {.kernel = 2, .stride = 2});
    EXPECT_TRUE(std::isnan(y.value().data<float>()[0])) << "NaN at " << where;
  }
}

TEST(AvgPool2d, CountsPaddingAsZero) {
  const Var y =
      avg_pool2d(Var(Tensor::full({1, 2, 2, 1}, 4)), {.kernel = 2, .stride = 2, .padding = 1});
  EXPECT_THAT(y.value().span<float>(), ElementsAre(1, 1, 1, 1));
}

TEST(GlobalAvgPool, SumsInF32WhenStoredInBf16) {
  // 1 + 4095 * 2^-8: a bf16 sum would stay at 1 or 2.
  Array x({1, 64, 64, 1});
  for (double& v : x.data) v = 0x1p-8;
  x[0] = 1;
  const Var y = global_avg_pool(Var(to_tensor(x, Dtype::kBf16)));
  EXPECT_EQ(to_array(y.value())[0], to_float(to_bf16((1 + 4095 * 0x1p-8f) / 4096)));
}

TEST(Pool2d, SaysWhatDoesNotFit) {
  const Var x(Tensor::zeros({1, 4, 4, 2}, Dtype::kF32));
  EXPECT_THAT(
      [&] {
        max_pool2d(Var(Tensor::zeros({4, 4}, Dtype::kF32)), {});
      },
      ThrowsMessage<ShapeError>(HasSubstr("max_pool2d: x f32 [4, 4]; images are")));
  EXPECT_THAT([&] { avg_pool2d(x, {.kernel = 5, .stride = 1}); },
              ThrowsMessage<ShapeError>(HasSubstr("avg_pool2d: kernel 5 is larger than x")));
  EXPECT_THAT([&] { max_pool2d(x, {.kernel = 3, .stride = 1, .padding = 2}); },
              ThrowsMessage<ShapeError>(HasSubstr("padding 2; kernel and stride are at least 1, "
                                                  "padding is at most half the kernel")));
  EXPECT_THAT([&] { max_pool2d(x, {.kernel = 17, .stride = 17}); }, testing::Throws<ShapeError>());
  EXPECT_THAT(
      [&] {
        global_avg_pool(Var(Tensor::zeros({2, 0, 4, 3}, Dtype::kF32)));
      },
      ThrowsMessage<ShapeError>(HasSubstr("has no pixels")));
  EXPECT_THAT(
      [&] {
        max_pool2d(Var(Tensor::zeros({1, 4, 4, 2}, Dtype::kU8)), {});
      },
      ThrowsMessage<DtypeError>(HasSubstr("max_pool2d: x u8")));
}

}  // namespace
}  // namespace rela::test
