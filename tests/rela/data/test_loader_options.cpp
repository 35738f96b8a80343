// What a loader refuses, and the error messages.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "rela/data/dataset.h"
#include "rela/data/loader.h"
#include "rela/data/synthetic.h"
#include "runtime/error.h"

namespace rela {
namespace {

/// The loader's error after applying `change` to options that fit a set of 30 images.
std::string refusal(const std::function<void(LoaderOptions&)>& change) {
  const auto set = make_synthetic(30, Split::kTrain, 0);
  LoaderOptions options;
  options.batch_size = 8;
  change(options);
  try {
    const TwoViewLoader loader(*set, options);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "accepted";
}

TEST(LoaderOptions, ThatFitAreAccepted) {
  EXPECT_EQ(refusal([](LoaderOptions&) {}), "accepted");
  EXPECT_EQ(refusal([](LoaderOptions& o) { o.batch_size = 30; }), "accepted");
  EXPECT_EQ(refusal([](LoaderOptions& o) { o.world = 8; }), "accepted");
}

TEST(LoaderOptions, TheRatioIsAboveZeroAndAtMostOne) {
  EXPECT_EQ(refusal([](LoaderOptions& o) { o.ratio = 0; }), "data.ratio: 0; above 0 and at most 1");
  EXPECT_EQ(refusal([](LoaderOptions& o) { o.ratio = 1.5; }),
            "data.ratio: 1.5; above 0 and at most 1");
  EXPECT_EQ(refusal([](LoaderOptions& o) { o.ratio = std::numeric_limits<double>::quiet_NaN(); }),
            "data.ratio: nan; above 0 and at most 1");
}

TEST(LoaderOptions, ABatchFitsIntoTheDraw) {
  EXPECT_EQ(
      refusal([](LoaderOptions& o) { o.ratio = 0.2; }),
      "batch_size: 8 is more than the 6 images that an epoch draws (data.ratio 0.2 of 30); lower "
      "batch_size or raise data.ratio");
}

TEST(LoaderOptions, ABatchHasAtLeastOneImage) {
  for (const int64_t size : {0, -8}) {
    EXPECT_EQ(refusal([size](LoaderOptions& o) { o.batch_size = size; }),
              "batch_size: " + std::to_string(size) + "; at least 1");
  }
}

TEST(LoaderOptions, RanksDivideTheBatch) {
  EXPECT_EQ(refusal([](LoaderOptions& o) { o.world = 3; }),
            "batch_size: 8 images for 3 ranks, which must divide it; the nearest are 6 and 9");
  EXPECT_EQ(refusal([](LoaderOptions& o) { o.rank = 1; }), "rank: 1; 0 to 0");
  EXPECT_EQ(refusal([](LoaderOptions& o) { o.rank = -1; }), "rank: -1; 0 to 0");
}

TEST(LoaderOptions, BothViewsHaveOneSize) {
  EXPECT_EQ(refusal([](LoaderOptions& o) { o.views[1].crop_size = 24; }),
            "augmentations: crop_size 32 and 24; both views have the same size");
}

TEST(LoaderOptions, SeekStaysWithinAnEpochAndAfterwardsAllGoesOn) {
  const auto set = make_synthetic(30, Split::kTrain, 0);
  LoaderOptions options;
  options.batch_size = 8;
  TwoViewLoader loader(*set, options);
  EXPECT_THROW(loader.seek(0, 3), InternalError);
  EXPECT_THROW(loader.seek(-1, 0), InternalError);
  EXPECT_THROW(loader.seek(0, -1), InternalError);
  EXPECT_EQ(loader.next().index, 0);
}

TEST(Dataset, AFormatThatIsNotReadNamesThoseThatAre) {
  try {
    data_format("cifar11");
    FAIL() << "no error";
  } catch (const UsageError& e) {
    EXPECT_STREQ(e.what(),
                 "--format: \"cifar11\"; allowed: cifar10, cifar100, idx, imagefolder, tar, "
                 "packed, synthetic");
  }
}

TEST(Dataset, EveryFormatIsFoundByItsName) {
  for (const NamedDataFormat& f : data_formats()) EXPECT_EQ(data_format(f.name), f.format);
}

TEST(Dataset, TheSyntheticSizeIsKept) {
  const DatasetSource source{
      .format = DataFormat::kSynthetic, .path = {}, .split = Split::kTest, .synthetic_size = 13};
  EXPECT_EQ(open_dataset(source)->size(), 13);
}

}  // namespace
}  // namespace rela
