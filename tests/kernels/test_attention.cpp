#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

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

TEST(Attention, SaysWhatDoesNotFit) {
  EXPECT_THAT(
      [] {
        attention(zeros({5, 48}), {});
      },
      ThrowsMessage<ShapeError>(HasSubstr("attention: qkv f32 [5, 48]; queries, keys and")));
  EXPECT_THAT(
      [] {
        attention(zeros({1, 5, 96}), {.heads = 5});
      },
      ThrowsMessage<ShapeError>(HasSubstr("qkv f32 [1, 5, 96] for 5 heads; the last axis")));
  EXPECT_THAT([] { attention(zeros({1, 5, 96}), {.heads = 0}); }, testing::Throws<ShapeError>());
  EXPECT_THAT(
      [] {
        attention(zeros({1, 5, 72}), {.heads = 1});
      },
      ThrowsMessage<ShapeError>(HasSubstr("heads 24 wide in qkv f32 [1, 5, 72]; multiples "
                                          "of 16 up to 128 are allowed")));
  EXPECT_THAT([] { attention(zeros({1, 5, 432}), {.heads = 1}); }, testing::Throws<ShapeError>());
  EXPECT_THAT([] { attention(zeros({1, 5, 48}, Dtype::kI64), {}); }, testing::Throws<DtypeError>());
}

TEST(Attention, TakesSequencesOfAnyLength) {
  for (const int64_t tokens : {1, 63, 64, 65, 577, 1500}) {
    const Var y = attention(zeros({1, tokens, 48}), {});
    EXPECT_EQ(y.shape(), (Shape{1, tokens, 16}));
  }
}

/// Scores of some thousands: exp of them, or of their negative, is out of range in f32.
TEST(Attention, HugeScoresPickTheirKey) {
  Tensor qkv = Tensor::zeros({1, 3, 48}, Dtype::kF32);
  for (int64_t token = 0; token < 3; ++token) {
    float* q = qkv.data<float>() + token * 48;
    q[token] = 1e4f;                    // query
    q[16 + (token + 1) % 3] = 1e4f;     // key
    q[32] = static_cast<float>(token);  // value
  }
  const Var y = attention(Var(qkv), {});
  for (int64_t token = 0; token < 3; ++token) {
    EXPECT_EQ(y.value().data<float>()[token * 16], static_cast<float>((token + 2) % 3));
  }
}

TEST(Attention, NanStaysInItsImageAndHead) {
  Random random(1);
  Tensor qkv = to_tensor(random_array({2, 5, 96}, random), Dtype::kF32);
  const int64_t head = 1, key_of_token_3 = (3 * 3 + 1) * 32 + head * 16;
  qkv.data<float>()[5 * 96 + key_of_token_3] = std::numeric_limits<float>::quiet_NaN();
  const Tensor y = attention(Var(qkv), {.heads = 2}).value();
  for (int64_t i = 0; i < y.numel(); ++i) {
    const bool is_touched = i / (5 * 32) == 1 && i % 32 / 16 == head;
    EXPECT_EQ(std::isnan(y.data<float>()[i]), is_touched) << i;
  }
}

TEST(Attention, DoesNotDependOnTheNumberOfThreads) {
  Random random(1);
  const Tensor x = to_tensor(random_array({5, 7, 96}, random), Dtype::kF32);
  const Tensor dy = to_tensor(random_array({5, 7, 32}, random), Dtype::kF32);
  const auto gradient = [&](int threads) {
    set_cpu_threads(threads);
    const Var qkv = make_parameter(x);
    backward(attention(qkv, {.heads = 2}), dy);
    return parameter_grad(qkv).clone();
  };
  const int before = cpu_threads();
  const Tensor one = gradient(1), three = gradient(3);
  set_cpu_threads(before);
  EXPECT_EQ(std::memcmp(one.raw(), three.raw(), one.bytes()), 0);
}

}  // namespace
}  // namespace rela::test
