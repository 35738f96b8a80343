#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"
#include "runtime/ops/ops.h"
#include "tests/support/array.h"

namespace rela::test {
namespace {

Tensor labels_of(const std::vector<int64_t>& labels) {
  Tensor t = Tensor::empty({static_cast<int64_t>(labels.size())}, Dtype::kI64);
  std::copy(labels.begin(), labels.end(), t.span<int64_t>().begin());
  return t;
}

float loss_of(const std::vector<float>& logits, int64_t label) {
  const int64_t classes = static_cast<int64_t>(logits.size());
  const Var x(Tensor::from(logits, {1, classes}));
  return softmax_cross_entropy(x, labels_of({label})).value().data<float>()[0];
}

TEST(SoftmaxCrossEntropy, HugeLogitsNeitherOverflowNorCancel) {
  EXPECT_FLOAT_EQ(loss_of({1e30f, 1e30f}, 0), std::log(2.0f));
  EXPECT_FLOAT_EQ(loss_of({10000, 10001}, 0), 1 + std::log1p(std::exp(-1.0f)));
  EXPECT_FLOAT_EQ(loss_of({-1e30f, 0}, 1), 0);
}

TEST(SoftmaxCrossEntropy, NonFiniteLogitsGiveANonFiniteLoss) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnan(loss_of({nan, 1, 2}, 1)));
  EXPECT_TRUE(std::isnan(loss_of({1, 2, nan}, 1)));
  EXPECT_FALSE(std::isfinite(loss_of({inf, 0}, 0)));
}

TEST(SoftmaxCrossEntropy, NamesTheRowAndTheLabelThatAreOutOfRange) {
  const Var logits(Tensor::zeros({3, 10}, Dtype::kF32));
  for (const int64_t label : {int64_t{10}, int64_t{-1}}) {
    try {
      softmax_cross_entropy(logits, labels_of({0, 9, label}));
      FAIL() << label << " was accepted";
    } catch (const DataError& e) {
      EXPECT_EQ(std::string(e.what()),
                cat("softmax_cross_entropy: label ", label, " in row 2; logits f32 [3, 10] allow ",
                    "0 to 9; check the data set's labels or the number of classes"));
    }
  }
  EXPECT_THROW(softmax_cross_entropy(logits, labels_of({0})), ShapeError);
}

struct ByolRun {
  float loss = 0;
  std::vector<float> dq;
};
ByolRun run_byol(const Tensor& q, const Tensor& z, LossReduction reduction) {
  const Var prediction = make_parameter(q);
  const Var loss = byol_loss(prediction, z, reduction);
  backward(loss);
  const Tensor& dq = parameter_grad(prediction);
  return {loss.value().data<float>()[0], {dq.span<float>().begin(), dq.span<float>().end()}};
}

Tensor random_tensor(const Shape& shape, unsigned seed) {
  Random random(seed);
  return to_tensor(random_array(shape, random), Dtype::kF32);
}

TEST(ByolLoss, SumIsTwiceMeanAndFourTimesHalfMeanToTheBit) {
  for (const int64_t pairs : {1, 3, 31, 97}) {
    const Tensor q = random_tensor({2 * pairs, 33}, 1);
    const Tensor z = random_tensor({2 * pairs, 33}, 2);
    const ByolRun sum = run_byol(q, z, LossReduction::kSum);
    const ByolRun mean = run_byol(q, z, LossReduction::kMean);
    const ByolRun half_mean = run_byol(q, z, LossReduction::kHalfMean);
    EXPECT_EQ(sum.loss, 2 * mean.loss);
    EXPECT_EQ(sum.loss, 4 * half_mean.loss);
    for (size_t i = 0; i < sum.dq.size(); ++i) {
      ASSERT_EQ(sum.dq[i], 2 * mean.dq[i]) << i;
      ASSERT_EQ(sum.dq[i], 4 * half_mean.dq[i]) << i;
    }
  }
}

TEST(ByolLoss, ARowOfZerosGivesAFiniteLossAndNoGradient) {
  Tensor q = random_tensor({4, 20}, 3);
  Tensor z = random_tensor({4, 20}, 4);
  std::fill_n(q.data<float>() + 20, 20, 0.0f);      // row 1 of q
  std::fill_n(z.data<float>() + 2 * 20, 20, 0.0f);  // row 2 of z, which is paired with row 0 of q
  const ByolRun run = run_byol(q, z, LossReduction::kMean);
  EXPECT_TRUE(std::isfinite(run.loss));
  for (size_t i = 0; i < run.dq.size(); ++i) {
    if (i < 40) {
      EXPECT_EQ(run.dq[i], 0) << i;
    } else {
      EXPECT_NE(run.dq[i], 0) << i;
    }
  }
}

TEST(ByolLoss, ComparesEachViewWithTheOther) {
  // q1 = z2 and q2 = z1 although q1 and z1 are opposite.
  const Tensor q = Tensor::from(std::vector<float>{1, 0, -3, 0}, {2, 2});
  const Tensor z = Tensor::from(std::vector<float>{-2, 0, 5, 0}, {2, 2});
  EXPECT_NEAR(run_byol(q, z, LossReduction::kSum).loss, 0, 1e-6);
  EXPECT_NEAR(run_byol(q, q, LossReduction::kSum).loss, 8, 1e-6);  // l = 4 for each view
}

TEST(ByolLoss, ThreadCountDoesNotChangeABit) {
  const Tensor q = random_tensor({128, 300}, 5);
  const Tensor z = random_tensor({128, 300}, 6);
  const int before = cpu_threads();
  set_cpu_threads(1);
  const ByolRun alone = run_byol(q, z, LossReduction::kSum);
  set_cpu_threads(3);
  const ByolRun shared = run_byol(q, z, LossReduction::kSum);
  set_cpu_threads(before);
  EXPECT_EQ(alone.loss, shared.loss);
  EXPECT_EQ(alone.dq, shared.dq);
}

TEST(ByolLoss, AnEmptyBatchCostsNothing) {
  const Tensor none = Tensor::zeros({0, 16}, Dtype::kF32);
  EXPECT_EQ(run_byol(none, none, LossReduction::kSum).loss, 0);
}

TEST(ByolLoss, ErrorsSayWhatCameAndWhatIsAllowed) {
  const Var odd(Tensor::zeros({3, 8}, Dtype::kF32));
  try {
    byol_loss(odd, odd.value(), LossReduction::kSum);
    FAIL() << "an odd number of rows was accepted";
  } catch (const ShapeError& e) {
    EXPECT_STREQ(e.what(), "byol_loss: q is f32 [3, 8]; it must be [2B, D], view 1 above view 2");
  }
  EXPECT_THROW(byol_loss(Var(Tensor::zeros({4, 8}, Dtype::kF32)),
                         Tensor::zeros({4, 9}, Dtype::kF32), LossReduction::kSum),
               ShapeError);
}

}  // namespace
}  // namespace rela::test
