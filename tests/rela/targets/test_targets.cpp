#include "rela/targets/targets.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "nn/state.h"
#include "rela/targets/feature_pass.h"
#include "rela/targets/identity.h"
#include "rela/targets/target_builder.h"
#include "rela/targets/whitening.h"
#include "runtime/error.h"
#include "tests/rela/targets/target_support.h"

namespace rela {
namespace {

using test::LogCapture;
using test::patterned_images;
using test::small_prior;
using test::TempDir;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

constexpr int64_t kImages = 600;  // two whole batches and a part of one

std::vector<float> all_rows(const Targets& targets) {
  std::vector<int64_t> samples(static_cast<size_t>(targets.size()));
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<int64_t>(i);
  Tensor out = Tensor::full({targets.size(), targets.width()}, NAN);
  targets.gather(samples, out);
  const auto values = out.span<float>();
  return {values.begin(), values.end()};
}

class TargetsTest : public testing::Test {
 protected:
  TargetOptions options(int64_t student_width = 8) const {
    return {.path = dir_ / "t/targets.bin", .student_width = student_width};
  }
  Targets open(int64_t student_width = 8) const {
    return Targets::open_or_build(prior_, images_, options(student_width));
  }
  std::string identity() const { return target_identity(prior_, images_, 8); }

  TempDir dir_;
  MemoryDataset images_ = patterned_images(kImages);
  Prior prior_{small_prior()};
};

TEST_F(TargetsTest, AreStandardisedAndUncorrelated) {
  const Targets targets = open();
  ASSERT_EQ(targets.size(), kImages);
  ASSERT_EQ(targets.width(), 8);
  const std::vector<float> z = all_rows(targets);
  for (int64_t a = 0; a < 8; ++a) {
    double mean = 0;
    std::vector<double> products(8);
    for (int64_t i = 0; i < kImages; ++i) {
      mean += z[i * 8 + a] / double{kImages};
      for (int64_t b = 0; b < 8; ++b) products[b] += z[i * 8 + a] * z[i * 8 + b] / double{kImages};
    }
    EXPECT_NEAR(mean, 0, 1e-6);
    for (int64_t b = 0; b < 8; ++b) EXPECT_NEAR(products[b], a == b ? 1 : 0, 1e-5) << a << b;
  }
}

TEST_F(TargetsTest, FollowTheDefinitionFromTheImages) {
  const Targets targets = open(3);
  ASSERT_EQ(targets.width(), 3);
  EvalLoader loader(images_, prior_.eval_options(100));  // different batches than in the pass
  std::vector<float> y;
  while (const EvalBatch* batch = loader.next()) {
    const Tensor rows = prior_.embed(batch->images);
    y.insert(y.end(), rows.span<float>().begin(), rows.span<float>().end());
  }
  CovarianceAccumulator sums(8);
  sums.add(y);
  std::vector<float> z(kImages * 3);
  make_whitening(sums, 3).apply(y, z);
  const std::vector<float> got = all_rows(targets);
  for (size_t i = 0; i < z.size(); ++i) ASSERT_NEAR(got[i], z[i], 1e-4) << i;
}

TEST_F(TargetsTest, GatherTakesAnyRowsInAnyOrder) {
  const Targets targets = open();
  const std::vector<float> z = all_rows(targets);
  const std::vector<int64_t> samples{599, 0, 256, 599};
  Tensor out = Tensor::full({4, 8}, NAN);
  targets.gather(samples, out);
  for (size_t r = 0; r < samples.size(); ++r) {
    for (int64_t j = 0; j < 8; ++j) {
      EXPECT_EQ(out.data<float>()[r * 8 + j], z[samples[r] * 8 + j]);
    }
  }
  Tensor none = Tensor::empty({0, 8}, Dtype::kF32);
  targets.gather({}, none);
  EXPECT_THAT([&] { targets.gather(samples, none); },
              ThrowsMessage<ShapeError>(HasSubstr("f32 [4, 8] is needed")));
  EXPECT_THAT(
      [&] {
        targets.gather(std::vector<int64_t>{0, 1, 2, 600}, out);
      },
      ThrowsMessage<ShapeError>("targets: sample 600 of 600"));
}

TEST_F(TargetsTest, AreReadBackInsteadOfMadeAgain) {
  const Targets first = open();
  const LogCapture log;
  const Targets second = open();
  EXPECT_THAT(log.text(), Not(HasSubstr("making")));
  EXPECT_EQ(second.fingerprint(), first.fingerprint());
  EXPECT_EQ(all_rows(second), all_rows(first));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "t/targets.bin.features"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "t/targets.bin.unfinished"));
}

TEST_F(TargetsTest, OfAnotherPriorPreprocessingDataSetOrWidthAreMadeAnewAndItIsSaid) {
  const std::string first = open().fingerprint();
  const auto expect_rebuilt = [&](const Prior& prior, const ImageDataset& images, int64_t width,
                                  const char* what) {
    const LogCapture log;
    const Targets targets = Targets::open_or_build(prior, images, options(width));
    EXPECT_THAT(log.text(),
                HasSubstr(cat("targets.bin holds those of another ", what, "; making them anew")));
    EXPECT_NE(targets.fingerprint(), first);
    open();  // the first ones again
  };
  expect_rebuilt(Prior(small_prior(2)), images_, 8, "prior");
  PriorSpec other = small_prior();
  other.source.normalize = Normalization{};
  expect_rebuilt(Prior(other), images_, 8, "preprocessing");
  expect_rebuilt(prior_, patterned_images(kImages, 1), 8, "data set");
  expect_rebuilt(prior_, patterned_images(300), 8, "data set");
  expect_rebuilt(prior_, images_, 7, "width");
  expect_rebuilt(Prior(small_prior(2)), patterned_images(300), 8, "data set, prior");
}

TEST_F(TargetsTest, DamagedOnesAreMadeAnewAndItIsSaid) {
  const std::vector<float> good = all_rows(open());
  const std::filesystem::path path = dir_ / "t/targets.bin";
  const auto size = std::filesystem::file_size(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size - 3));
    file.put('\x7f');
  }
  {
    const LogCapture log;
    EXPECT_EQ(all_rows(open()), good);
    EXPECT_THAT(log.text(), HasSubstr("targets.bin is damaged (block 0 of 1 does not match its "
                                      "checksum); making them anew"));
  }
  std::filesystem::resize_file(path, size / 2);
  const LogCapture log;
  EXPECT_EQ(all_rows(open()), good);
  EXPECT_THAT(log.text(),
              AllOf(HasSubstr(cat(size / 2, " bytes of ", size)), HasSubstr("making them anew")));
}

TEST_F(TargetsTest, AnInterruptedPassGoesOnAndGivesTheSameBits) {
  const std::vector<float> uninterrupted = all_rows(open());
  remove_tree(dir_ / "t/targets.bin");
  {
    FeaturePass pass(dir_ / "t/targets.bin.features", prior_, images_, identity());
    pass.run(1, 3, ProgressDisplay::Style::kOff);  // the second batch of three
  }
  const LogCapture log;
  EXPECT_EQ(all_rows(open()), uninterrupted);
  EXPECT_THAT(log.text(),
              HasSubstr("1 of 3 batches were made before an interruption and are kept"));
}

TEST_F(TargetsTest, AnInterruptedPassOfAnotherPriorIsNotGoneOnWith) {
  const std::vector<float> uninterrupted = all_rows(open());
  remove_tree(dir_ / "t/targets.bin");
  {
    const Prior other(small_prior(2));
    FeaturePass pass(dir_ / "t/targets.bin.features", other, images_,
                     target_identity(other, images_, 8));
    pass.run(0, 1, ProgressDisplay::Style::kOff);
  }
  const LogCapture log;
  EXPECT_EQ(all_rows(open()), uninterrupted);
  EXPECT_THAT(log.text(), AllOf(HasSubstr("is of another prior or data set; starting it anew"),
                                Not(HasSubstr("are kept"))));
}

TEST_F(TargetsTest, AnyNumberOfRanksMakesTheSameFeatures) {
  std::vector<std::vector<float>> results;
  for (const int ranks : {1, 2, 4}) {
    const std::string path = dir_ / cat("features-", ranks);
    for (int rank = ranks - 1; rank >= 0; --rank) {
      FeaturePass(path, prior_, images_, identity()).run(rank, ranks, ProgressDisplay::Style::kOff);
    }
    const auto file = RowFile::open(path, FileAccess::kRead);
    ASSERT_EQ(file->first_bad_block(), std::nullopt) << ranks;
    results.emplace_back(kImages * 8);
    file->read_rows(0, results.back());
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST_F(TargetsTest, AnyNumberOfRanksMakesAFileOfTheSameBytes) {
  open();
  const std::string one_process = read_file(options().path);
  for (const int ranks : {1, 2, 4}) {
    TargetOptions shared = options();
    shared.path = dir_ / cat("ranks-", ranks, "/targets.bin");
    std::vector<std::unique_ptr<TargetBuilder>> builders;
    for (int rank = 0; rank < ranks; ++rank)
      builders.push_back(std::make_unique<TargetBuilder>(prior_, images_, shared));
    builders.front()->begin();
    for (int rank = ranks - 1; rank >= 0; --rank) {
      if (rank == 0 && ranks == 2) {
        EXPECT_THAT([&] { builders.front()->finish(); },
                    ThrowsMessage<IoError>(HasSubstr("batch 0 of 3 is not in it")));
      }
      builders[static_cast<size_t>(rank)]->make_part(rank, ranks);
    }
    builders.front()->finish();
    for (const auto& builder : builders) {
      const std::optional<Targets> targets = builder->open();
      ASSERT_TRUE(targets.has_value()) << builder->why_not();
      EXPECT_EQ(targets->size(), kImages);
    }
    EXPECT_EQ(read_file(shared.path), one_process) << ranks;
    EXPECT_FALSE(std::filesystem::exists(shared.path + ".features"));
  }
}

TEST_F(TargetsTest, RanksThatFindTheTargetsMadeDoNothing) {
  open();
  const LogCapture log;
  TargetBuilder first(prior_, images_, options());
  TargetBuilder second(prior_, images_, options());
  first.begin();
  second.make_part(1, 2);
  first.make_part(0, 2);
  first.finish();
  EXPECT_THAT(log.text(), Not(HasSubstr("making")));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "t/targets.bin.features"));
  EXPECT_TRUE(second.open().has_value());
}

TEST_F(TargetsTest, ProgressNamesImagesRateAndTimeLeft) {
  const LogCapture log;
  TargetOptions o = options();
  o.progress = ProgressDisplay::Style::kPlain;
  Targets::open_or_build(prior_, images_, o);
  EXPECT_THAT(log.text(), AllOf(HasSubstr("targets 256/600 | "), HasSubstr("targets 600/600 | "),
                                HasSubstr(" img/s | eta 0:00:00")));
}

TEST_F(TargetsTest, MoreDimensionsThanThePriorHasAreRefused) {
  TargetOptions o = options();
  o.pca_dim = 9;
  EXPECT_THAT([&] { Targets::open_or_build(prior_, images_, o); },
              ThrowsMessage<ConfigError>(
                  "rela.pca_dim: 9, but the prior (random resnet18 of seed 1) has 8 features; at "
                  "most as many"));
  o.pca_dim = 2;
  EXPECT_EQ(Targets::open_or_build(prior_, images_, o).width(), 2);
}

TEST_F(TargetsTest, FewerImagesThanDimensionsDropDirectionsAndItIsSaid) {
  const LogCapture log;
  const Targets targets = Targets::open_or_build(prior_, patterned_images(5), options());
  EXPECT_EQ(targets.width(), 4);
  EXPECT_THAT(log.text(),
              HasSubstr("4 of 8 directions dropped, their variance is below 1e-6 of the "
                        "largest; 4 are left (5 images span no more than 4)"));
  EXPECT_THAT([&] { Targets::open_or_build(prior_, patterned_images(1), options()); },
              ThrowsMessage<DataError>("targets: 1 images; their variance needs at least 2"));
}

TEST_F(TargetsTest, APriorThatSeesNoDifferenceIsRefused) {
  MemoryImages grey{.dims = {8, 8}, .pixels = {}, .labels = {}, .class_names = {"x"}};
  grey.pixels.assign(10 * 8 * 8 * 3, 128);
  grey.labels.assign(10, 0);
  const MemoryDataset same(std::move(grey));
  EXPECT_THAT([&] { Targets::open_or_build(prior_, same, options()); },
              ThrowsMessage<NonFiniteError>(
                  HasSubstr("the prior's 8 features are the same for all 10 images")));
}

/// A prior that gives NaN for images with white pixels: its huge weights overflow.
TEST_F(TargetsTest, NanFromThePriorNamesTheImage) {
  const auto backbone = make_backbone(small_prior().student);
  initialize(*backbone, 1);
  for (const StateTensor& t : state_of(*backbone)) {
    Tensor value = t.value;
    // The first image with a signal above 0 in this channel overflows; black ones stay finite.
    if (t.name == "conv1.weight") {
      for (float& w : value.span<float>()) w = 3e38f;
    }
  }
  save_state(dir_ / "huge.safetensors", state_of(*backbone));
  MemoryImages images{.dims = {8, 8}, .pixels = {}, .labels = {}, .class_names = {"x"}};
  images.pixels.assign(300 * 8 * 8 * 3, 0);
  images.labels.assign(300, 0);
  std::fill_n(images.pixels.begin() + 270 * 8 * 8 * 3, 8 * 8 * 3, 255);
  PriorSpec spec;
  spec.source.model = "resnet18";
  spec.source.weights = dir_ / "huge.safetensors";
  spec.source.normalize = Normalization{};
  const Prior prior(spec);
  EXPECT_THAT([&] { Targets::open_or_build(prior, MemoryDataset(images), options()); },
              ThrowsMessage<NonFiniteError>(
                  AllOf(HasSubstr("targets: feature "), HasSubstr(" of image 270 is "),
                        HasSubstr("huge.safetensors"), HasSubstr("rela.prior.normalize"))));
}

}  // namespace
}  // namespace rela
