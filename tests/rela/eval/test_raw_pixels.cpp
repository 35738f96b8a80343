#include "rela/eval/raw_pixels.h"

#include <gtest/gtest.h>

#include "rela/data/eval_loader.h"
#include "rela/data/memory_dataset.h"
#include "rela/data/synthetic.h"

namespace rela {
namespace {

TEST(RawPixels, AreComparedAtTheSmallerSide) {
  for (const ImageDims dims : {ImageDims{4, 6}, ImageDims{6, 4}}) {
    const MemoryDataset images({.dims = dims,
                                .pixels = std::vector<uint8_t>(4 * 6 * 3),
                                .labels = {0},
                                .class_names = {"x"}});
    EXPECT_EQ(stored_side(images), 4);
    EXPECT_EQ(raw_pixel_features(images, 4).width(), 4 * 4 * 3);
  }
}

TEST(RawPixels, AreTheImagesOfTheLoaderRowByRow) {
  const auto images = make_synthetic(5, Split::kTest, 0);
  const FeatureSet set = raw_pixel_features(*images, 32);
  EvalLoader loader(*images, {.batch_size = 5});
  const EvalBatch* batch = loader.next();
  ASSERT_EQ(set.features.shape(), (Shape{5, 32 * 32 * 3}));
  for (int64_t i = 0; i < set.features.numel(); ++i)
    ASSERT_EQ(set.features.data<float>()[i], batch->images.data<float>()[i]);
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(set.labels.data<int64_t>()[i], images->label(i));
}

}  // namespace
}  // namespace rela
