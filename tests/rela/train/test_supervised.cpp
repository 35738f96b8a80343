#include <gtest/gtest.h>

#include "rela/train/supervised.h"
#include "tests/support/golden.h"

namespace rela {
namespace {

constexpr int64_t kBatch = 3;

TwoViewBatch small_batch() {
  TwoViewBatch batch{.images = test::formula_images("views", 2 * kBatch),
                     .labels = Tensor::empty({kBatch}, Dtype::kI64)};
  for (int64_t i = 0; i < kBatch; ++i) batch.labels.data<int64_t>()[i] = i;
  return batch;
}

TEST(Supervised, LossIsTheMeanCrossEntropyOfBothViewsWithTheImagesLabel) {
  Supervised learner(ResNetSpec{.width = 4}, 5, Dtype::kF32, 1);
  const TwoViewBatch batch = small_batch();
  const Var features = learner.encode(batch.images);
  const float both = *learner.loss(features, batch).value().data<float>();
  float alone = 0;
  for (int64_t view = 0; view < 2; ++view) {
    // One view's features twice: the mean over "both" is that view's loss.
    Tensor twice = features.value().clone();
    for (int64_t v = 0; v < 2; ++v)
      twice.slice(v * kBatch, (v + 1) * kBatch)
          .copy_from(features.value().slice(view * kBatch, (view + 1) * kBatch));
    alone += *learner.loss(Var(twice), batch).value().data<float>() / 2;
  }
  EXPECT_GT(both, 0);
  EXPECT_NEAR(both, alone, 1e-6);
}

TEST(Supervised, EveryParameterGetsAGradient) {
  Supervised learner(ResNetSpec{.width = 4}, 5, Dtype::kF32, 1);
  const TwoViewBatch batch = small_batch();
  learner.parameters().zero_grad();
  backward(learner.loss(learner.encode(batch.images), batch));
  for (const NamedParameter& p : learner.parameters().parameters()) {
    float largest = 0;
    for (const float g : std::as_const(p.var.node().grad).span<float>())
      largest = std::max(largest, std::abs(g));
    EXPECT_GT(largest, 0) << p.name;
  }
}

TEST(Supervised, HasNoTargetAndNamesItsHeadFc) {
  Supervised learner(ResNetSpec{.width = 4}, 5, Dtype::kF32, 1);
  EXPECT_EQ(learner.target(), nullptr);
  EXPECT_TRUE(learner.target_state().empty());
  EXPECT_EQ(learner.state().back().name, "fc.bias");
  EXPECT_EQ(learner.parameters().segments()[static_cast<size_t>(learner.backbone_segments())].name,
            "fc.weight");
}

}  // namespace
}  // namespace rela
