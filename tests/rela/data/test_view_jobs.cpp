// What the loader hands out where a GPU renders the views.
#include "rela/data/view_jobs.h"

#include <gtest/gtest.h>

#include <cstring>
#include <span>

#include "kernels/augment/render_views.h"
#include "rela/data/memory_dataset.h"
#include "rela/data/synthetic.h"
#include "tests/rela/data/photo_support.h"
#include "tests/support/photo_sets.h"

namespace rela {
namespace {

constexpr int64_t kBatch = 4;
constexpr int64_t kSide = 8;  // JPEG files are then decoded at a half of their size, or less

LoaderOptions options(AugmentOn augment_on, int workers = 2) {
  LoaderOptions o;
  o.batch_size = kBatch;
  o.seed = 9;
  o.normalization = {};
  o.workers = workers;
  o.augment_on = augment_on;
  for (ViewSpec& view : o.views) {
    view.crop_size = kSide;
    view.blur.prob = 0.5;
  }
  return o;
}

std::span<const ViewJob> jobs_of(const TwoViewBatch& batch) {
  return {reinterpret_cast<const ViewJob*>(batch.jobs.raw()), size_t{2 * kBatch}};
}

/// A job, done by the CPU.
std::vector<float> rendered(const TwoViewBatch& batch, const ViewJob& job) {
  const ViewOutput output{.size = kSide};
  std::vector<float> view(3 * kSide * kSide);
  std::vector<float> scratch(view_workspace_bytes(job.dims, output) / sizeof(float) + 16);
  render_view_cpu({batch.pixels.data<uint8_t>() + job.pixels, job.dims}, job.params, output,
                  view.data(), {scratch.data(), scratch.size() * sizeof(float)});
  return view;
}

/// That doing the jobs gives the views that the workers would have rendered, for three batches.
void expect_the_workers_views(const ImageDataset& set, float tolerance) {
  TwoViewLoader got(set, options(AugmentOn::kDevice));
  TwoViewLoader want(set, options(AugmentOn::kCpu));
  for (int i = 0; i < 3; ++i) {
    const TwoViewBatch& a = got.next();
    const TwoViewBatch& b = want.next();
    EXPECT_FALSE(a.images.defined());
    EXPECT_EQ(std::memcmp(a.samples.raw(), b.samples.raw(), a.samples.bytes()), 0);
    EXPECT_EQ(std::memcmp(a.labels.raw(), b.labels.raw(), a.labels.bytes()), 0);
    for (size_t view = 0; view < 2 * kBatch; ++view) {
      const std::vector<float> there = rendered(a, jobs_of(a)[view]);
      const float* here = b.images.data<float>() + view * there.size();
      for (size_t k = 0; k < there.size(); ++k)
        ASSERT_NEAR(there[k], here[k], tolerance) << "batch " << i << ", view " << view << " " << k;
    }
  }
}

TEST(ViewJobs, OfImagesOfOneSizeAreTheWorkersViewsToTheBit) {
  expect_the_workers_views(*make_synthetic(20, Split::kTrain, 0), 0);
}

std::unique_ptr<PhotoDataset> photos(const test::TempDir& dir) {
  test::write_files(dir, "set", test::small_photo_set());
  return open_photos(test::source(DataFormat::kImageFolder, dir / "set"));
}

TEST(ViewJobs, OfPhotographsAreTheWorkersViewsUpToRounding) {
  const test::TempDir dir;
  expect_the_workers_views(*photos(dir), 1e-5f);
}

TEST(ViewJobs, OfPhotographsAreCropsOfTheViewsSize) {
  const test::TempDir dir;
  const auto set = photos(dir);
  TwoViewLoader loader(*set, options(AugmentOn::kDevice));
  const TwoViewBatch& batch = loader.next();
  EXPECT_EQ(batch.pixels.shape(), (Shape{2 * kBatch, kSide, kSide, 3}));
  for (const ViewJob& job : jobs_of(batch)) {
    EXPECT_FALSE(job.params.flip);
    EXPECT_EQ(job.params.crop, (CropRect{0, 0, kSide, kSide}));
  }
}

TEST(ViewJobs, AreTheSameForAnyNumberOfWorkers) {
  const auto set = make_synthetic(20, Split::kTrain, 0);
  TwoViewLoader one(*set, options(AugmentOn::kDevice, 1));
  TwoViewLoader four(*set, options(AugmentOn::kDevice, 4));
  for (int i = 0; i < 8; ++i) {
    const TwoViewBatch& a = one.next();
    const TwoViewBatch& b = four.next();
    EXPECT_EQ(std::memcmp(a.pixels.raw(), b.pixels.raw(), a.pixels.bytes()), 0);
    for (size_t view = 0; view < 2 * kBatch; ++view) {
      EXPECT_EQ(jobs_of(a)[view].pixels, jobs_of(b)[view].pixels);
      EXPECT_EQ(jobs_of(a)[view].params, jobs_of(b)[view].params);
    }
  }
}

/// Says that it has images of one size, which is not so.
class Uneven : public MemoryDataset {
 public:
  Uneven()
      : MemoryDataset({{4, 4}, std::vector<uint8_t>(8 * 48), std::vector<int64_t>(8), {"a"}}) {}
  ImageView image(int64_t index, std::vector<uint8_t>& buffer) const override {
    ImageView view = MemoryDataset::image(index, buffer);
    if (index == 5) view.dims.width = 3;
    return view;
  }
};

TEST(ViewJobs, AnImageOfAnotherSizeIsNamed) {
  const Uneven set;
  LoaderOptions o = options(AugmentOn::kDevice);
  o.batch_size = 8;
  TwoViewLoader loader(set, o);
  EXPECT_EQ(test::refusal([&] { loader.next(); }),
            "image 5 has 4 x 3 pixels, and the first one 4 x 4");
}

}  // namespace
}  // namespace rela
