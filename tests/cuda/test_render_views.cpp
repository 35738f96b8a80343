// Views rendered on the device against render_view_cpu().

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/augment/render_views.h"
#include "tests/kernels/augment/augment_support.h"
#include "tests/support/array.h"
#include "tests/support/cuda_harness.h"

namespace rela::test {
namespace {

constexpr double kTolerance = 1e-5;  // before normalisation

/// Images one after the other, and views of them.
class Batch {
 public:
  /// Returns the place of its first byte.
  int64_t add_image(const RandomImage& image) {
    const auto at = static_cast<int64_t>(pixels_.size());
    pixels_.insert(pixels_.end(), image.pixels.begin(), image.pixels.end());
    return at;
  }
  void add_view(int64_t image, ImageDims dims, const ViewParams& params) {
    jobs_.push_back({image, dims, params});
  }
  /// Of an image of its own.
  void add(ImageDims dims, const ViewParams& params) {
    add_view(add_image(RandomImage(dims, jobs_.size() + 1)), dims, params);
  }
  const std::vector<ViewJob>& jobs() const { return jobs_; }

  std::vector<float> on_device(const ViewOutput& output, int64_t side_by_side = 1000) const {
    const auto views = static_cast<int64_t>(jobs_.size());
    const DeviceArray<uint8_t> images(pixels_);
    const DeviceArray<ViewJob> jobs(jobs_);
    DeviceValues out(views * 3 * output.size * output.size, output.dtype);
    DeviceArray<uint8_t> workspace(
        render_views_workspace_bytes(std::min(views, side_by_side), output.size));
    render_views_cuda(
        {images.data(), jobs.data(), out.data(), {workspace.data(), workspace.size()}}, views,
        output, kTestStream);
    return out.download();
  }
  /// One view in f32.
  std::vector<float> on_cpu(const ViewJob& job, const ViewOutput& output) const {
    std::vector<float> view(static_cast<size_t>(3 * output.size * output.size));
    PoisonedWorkspace workspace(view_workspace_bytes(job.dims, output));
    render_view_cpu({pixels_.data() + job.pixels, job.dims}, job.params,
                    {output.size, output.normalization}, view.data(), workspace.get());
    return view;
  }

 private:
  std::vector<uint8_t> pixels_;
  std::vector<ViewJob> jobs_;
};

/// A value at the threshold of solarisation may be inverted or not.
bool agrees(float got, float want, float threshold) {
  if (std::abs(got - want) <= kTolerance) return true;
  const bool is_inverse = std::abs(got + want - 1) <= kTolerance;
  return is_inverse &&
         std::min(std::abs(want - threshold), std::abs(got - threshold)) <= kTolerance;
}

void expect_the_cpus_views(const Batch& batch, int64_t size, int64_t side_by_side = 1000) {
  const ViewOutput output{.size = size};
  std::vector<std::vector<float>> want;
  for (const ViewJob& job : batch.jobs()) want.push_back(batch.on_cpu(job, output));
  for_each_schedule([&] {
    const std::vector<float> got = batch.on_device(output, side_by_side);
    for (size_t view = 0; view < want.size(); ++view) {
      const float threshold = batch.jobs()[view].params.solarize_threshold;
      for (size_t i = 0; i < want[view].size(); ++i) {
        const float value = got[view * want[view].size() + i];
        ASSERT_TRUE(agrees(value, want[view][i], threshold))
            << "view " << view << " of side " << size << ", value " << i << ": " << value << " and "
            << want[view][i];
      }
    }
  });
}

ViewParams whole(ImageDims dims) {
  ViewParams params;
  params.crop = {0, 0, dims.height, dims.width};
  return params;
}

/// Views of all kinds, drawn with every operation likely.
Batch drawn_views(int64_t size, std::vector<ImageDims> dims, int count, BlurKernel kernel) {
  ViewSpec spec;
  spec.crop_size = size;
  spec.color_jitter = {.prob = 0.9, .brightness = 0.8, .contrast = 0.8, .saturation = 0.8};
  spec.blur = {.prob = 0.6, .kernel = kernel};
  spec.solarize = {.prob = 0.3, .threshold = 0.4};
  Batch batch;
  for (int i = 0; i < count; ++i) {
    const ImageDims d = dims[static_cast<size_t>(i) % dims.size()];
    batch.add(d, draw_view_params(spec, d, {.seed = 7, .sample = static_cast<uint64_t>(i)}));
  }
  return batch;
}

class RenderViewsOfSide : public ::testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sides, RenderViewsOfSide, ::testing::Values(1, 2, 3, 7, 32, 33, 96, 97));

TEST_P(RenderViewsOfSide, AreTheCpus) {
  const int64_t size = GetParam();
  const int count = size > 64 ? 4 : 24;
  const std::vector<ImageDims> dims{{32, 32}, {1, 1}, {61, 97}, {5, 40}, {3 * size, 2 * size}};
  expect_the_cpus_views(drawn_views(size, dims, count, BlurKernel::kTenth), size);
  expect_the_cpus_views(drawn_views(size, dims, count, BlurKernel::kFull), size);
}

TEST(RenderViews, LargeOnesAreTheCpusToo) {
  const int64_t size = kThreadSanitizer ? 112 : 224;
  EXPECT_GT(render_views_workspace_bytes(1, size), 0U) << "the planes fit into shared memory";
  expect_the_cpus_views(drawn_views(size, {{180, 251}, {230, 224}}, 3, BlurKernel::kTenth), size);
}

TEST(RenderViews, ABlockRendersOneAfterTheOther) {
  const int64_t size = 98;
  const int64_t room = 1;
  EXPECT_GT(render_views_workspace_bytes(2, size), render_views_workspace_bytes(room, size));
  const Batch batch = drawn_views(size, {{20, 31}, {120, 90}}, 4, BlurKernel::kTenth);
  expect_the_cpus_views(batch, size, room);
}

struct Operation {
  const char* name;
  void (*set)(ViewParams& params);
};
void factor(ViewParams& params, JitterOp op, float value) {
  params.jitter_factor[static_cast<size_t>(op)] = value;
}
constexpr Operation kOperations[] = {
    {"none", [](ViewParams&) {}},
    {"flip", [](ViewParams& p) { p.flip = true; }},
    {"darker", [](ViewParams& p) { factor(p, JitterOp::kBrightness, 0.4f); }},
    {"brighter", [](ViewParams& p) { factor(p, JitterOp::kBrightness, 1.6f); }},
    {"less contrast", [](ViewParams& p) { factor(p, JitterOp::kContrast, 0.3f); }},
    {"more contrast", [](ViewParams& p) { factor(p, JitterOp::kContrast, 1.7f); }},
    {"saturation", [](ViewParams& p) { factor(p, JitterOp::kSaturation, 1.8f); }},
    {"hue", [](ViewParams& p) { factor(p, JitterOp::kHue, -0.4f); }},
    {"greyscale", [](ViewParams& p) { p.grayscale = true; }},
    {"blur", [](ViewParams& p) { p.blur_sigma = 1.3f; }},
    {"full blur",
     [](ViewParams& p) {
       p.blur_sigma = 0.7f;
       p.blur_kernel = BlurKernel::kFull;
     }},
    {"a blur wider than the view",
     [](ViewParams& p) {
       p.blur_sigma = 30;
       p.blur_kernel = BlurKernel::kFull;
     }},
    {"solarise", [](ViewParams& p) { p.solarize_threshold = 0.3f; }},
};

TEST(RenderViews, EveryOperationAloneIsTheCpus) {
  constexpr ImageDims kDims{24, 31};
  for (const Operation& operation : kOperations) {
    SCOPED_TRACE(operation.name);
    Batch batch;
    ViewParams params = whole(kDims);
    operation.set(params);
    batch.add(kDims, params);
    params.crop = {3, 5, 17, 11};
    batch.add(kDims, params);
    params.crop = {23, 30, 1, 1};  // the last pixel
    batch.add(kDims, params);
    expect_the_cpus_views(batch, 20);
  }
}

TEST(RenderViews, JitterFollowsTheDrawnOrder) {
  constexpr ImageDims kDims{9, 9};
  ViewParams params = whole(kDims);
  params.jitter_factor = {1.5f, 0.6f, 1.7f, 0.2f};
  std::ranges::sort(params.jitter_order);
  Batch batch;
  do batch.add(kDims, params);
  while (std::ranges::next_permutation(params.jitter_order).found);
  ASSERT_EQ(batch.jobs().size(), 24U);
  expect_the_cpus_views(batch, 12);
}

TEST(RenderViews, BytesOfTheirSizeAreTakenOverToTheBit) {
  constexpr ImageDims kDims{24, 24};
  const RandomImage image(kDims, 3);
  Batch batch;
  batch.add_view(batch.add_image(image), kDims, whole(kDims));
  for_each_schedule([&] {
    const std::vector<float> got = batch.on_device({.size = 24});
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i], static_cast<float>(image.pixels[i]) * (1.0f / 255.0f)) << i;
    }
  });
}

TEST(RenderViews, AViewDependsOnItsJobAlone) {
  const int64_t size = 40;
  const Batch all = drawn_views(size, {{50, 30}}, 6, BlurKernel::kTenth);
  const std::vector<float> together = all.on_device({.size = size});
  for (size_t view = 0; view < all.jobs().size(); ++view) {
    Batch one;
    const ViewJob& job = all.jobs()[view];
    one.add_view(one.add_image(RandomImage(job.dims, view + 1)), job.dims, job.params);
    const std::vector<float> alone = one.on_device({.size = size});
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(),
                           together.begin() + static_cast<int64_t>(view * alone.size())))
        << view;
  }
}

TEST(RenderViews, AreNormalisedInEveryStorageType) {
  for (const int64_t size : {int64_t{12}, int64_t{13}}) {  // rows of whole vectors, and ragged ones
    const Batch batch = drawn_views(size, {{12, 15}}, 5, BlurKernel::kTenth);
    for (const Dtype dtype : kStorageTypes) {
      const ViewOutput output{
          .size = size, .normalization = imagenet_normalization(), .dtype = dtype};
      const std::vector<float> got = batch.on_device(output);
      const auto values = static_cast<size_t>(3 * size * size);
      for (size_t view = 0; view < batch.jobs().size(); ++view) {
        if (batch.jobs()[view].params.solarize_threshold <= 1) continue;
        const std::vector<float> want = batch.on_cpu(batch.jobs()[view], output);
        const double rounding = dtype == Dtype::kF32 ? 0 : dtype == Dtype::kBf16 ? 0x1p-8 : 0x1p-11;
        for (size_t i = 0; i < values; ++i) {
          ASSERT_NEAR(got[view * values + i], want[i],
                      kTolerance / 0.224 + 1.01 * rounding * std::abs(want[i]))
              << dtype_name(dtype) << " " << i;
        }
      }
    }
  }
}

TEST(RenderViews, OutputThatIsNotAligned) {
  const Batch batch = drawn_views(8, {{12, 15}}, 2, BlurKernel::kTenth);
  const DeviceArray<uint8_t> images(std::vector<uint8_t>(12 * 15 * 3, 255));
  std::vector<ViewJob> jobs = batch.jobs();
  for (ViewJob& job : jobs) job = {0, {12, 15}, whole({12, 15})};
  const DeviceArray<ViewJob> there(jobs);
  DeviceArray<float> out(size_t{1 + 2 * 3 * 64});
  render_views_cuda({images.data(), there.data(), out.data() + 1, {}}, 2, {.size = 8}, kTestStream);
  const std::vector<float> got = out.download();
  EXPECT_TRUE(is_unwritten(got[0]));
  for (size_t i = 1; i < got.size(); ++i) ASSERT_NEAR(got[i], 1, kTolerance) << i;
}

TEST(RenderViews, NoViewsDoNothing) {
  EXPECT_NO_THROW(render_views_cuda({}, 0, {.size = 32}, kTestStream));
}

TEST(RenderViews, PillowsRoundingIsRefused) {
  const ViewOutput output{.size = 32, .rounding = ResizeRounding::kBytes};
  EXPECT_THROW(render_views_cuda({}, 1, output, kTestStream), std::logic_error);
}

}  // namespace
}  // namespace rela::test
