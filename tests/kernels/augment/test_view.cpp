// Which views are drawn, and that a view is its operations in order.
#include "kernels/augment/view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "kernels/augment/blur.h"
#include "kernels/augment/color.h"
#include "kernels/augment/resize.h"
#include "tests/kernels/augment/augment_support.h"

namespace rela {
namespace {

using test::poisoned;
using test::PoisonedWorkspace;
using test::RandomImage;

constexpr ImageDims kCifar{32, 32};
constexpr uint64_t kDraws = 10'000;

/// Six deviations of a share of kDraws.
double six_sigma(double share) { return 6 * std::sqrt(share * (1 - share) / kDraws); }

template <class Predicate>
double share(const ViewSpec& spec, ImageDims dims, Predicate holds) {
  int count = 0;
  for (uint64_t s = 0; s < kDraws; ++s) {
    if (holds(draw_view_params(spec, dims, {.seed = 3, .epoch = 1, .sample = s}))) ++count;
  }
  return static_cast<double>(count) / kDraws;
}

ViewSpec everything() {
  ViewSpec spec;
  spec.blur.prob = 0.5f;
  spec.solarize.prob = 0.2f;
  return spec;
}

TEST(ViewParams, AreAFunctionOfTheKey) {
  const ViewSpec spec = everything();
  const ViewKey key{.seed = 1, .epoch = 2, .sample = 3, .view = 0};
  const ViewParams base = draw_view_params(spec, kCifar, key);
  EXPECT_EQ(draw_view_params(spec, kCifar, key), base);
  EXPECT_NE(draw_view_params(spec, kCifar, {.seed = 2, .epoch = 2, .sample = 3, .view = 0}), base);
  EXPECT_NE(draw_view_params(spec, kCifar, {.seed = 1, .epoch = 3, .sample = 3, .view = 0}), base);
  EXPECT_NE(draw_view_params(spec, kCifar, {.seed = 1, .epoch = 2, .sample = 4, .view = 0}), base);
  EXPECT_NE(draw_view_params(spec, kCifar, {.seed = 1, .epoch = 2, .sample = 3, .view = 1}), base);
}

TEST(ViewParams, SwitchingAnOperationOffLeavesTheOthersAlone) {
  const ViewSpec spec = everything();
  ViewSpec without = spec;
  without.color_jitter.prob = 0;
  for (uint64_t s = 0; s < 50; ++s) {
    ViewParams expected = draw_view_params(spec, kCifar, {.sample = s});
    expected.jitter_order = ViewParams{}.jitter_order;
    expected.jitter_factor = ViewParams{}.jitter_factor;
    EXPECT_EQ(draw_view_params(without, kCifar, {.sample = s}), expected);
  }
}

/// A specification without one of its operations, and the property that the drawn view then has.
struct Without {
  const char* operation;
  void (*change)(ViewSpec&);
  void (*reset)(ViewParams&);
};
constexpr Without kWithout[] = {
    {"flip", [](ViewSpec& s) { s.hflip = 0; }, [](ViewParams& p) { p.flip = false; }},
    {"greyscale", [](ViewSpec& s) { s.grayscale = 0; }, [](ViewParams& p) { p.grayscale = false; }},
    {"blur", [](ViewSpec& s) { s.blur.prob = 0; }, [](ViewParams& p) { p.blur_sigma = 0; }},
    {"solarise", [](ViewSpec& s) { s.solarize.prob = 0; },
     [](ViewParams& p) { p.solarize_threshold = 2; }},
    {"brightness", [](ViewSpec& s) { s.color_jitter.brightness = 0; },
     [](ViewParams& p) { p.jitter_factor[0] = 1; }},
    {"contrast", [](ViewSpec& s) { s.color_jitter.contrast = 0; },
     [](ViewParams& p) { p.jitter_factor[1] = 1; }},
    {"saturation", [](ViewSpec& s) { s.color_jitter.saturation = 0; },
     [](ViewParams& p) { p.jitter_factor[2] = 1; }},
    {"hue", [](ViewSpec& s) { s.color_jitter.hue = 0; },
     [](ViewParams& p) { p.jitter_factor[3] = 0; }}};

TEST(ViewParams, EveryOperationCanBeSwitchedOffAlone) {
  const ViewSpec spec = everything();
  for (const Without& w : kWithout) {
    ViewSpec without = spec;
    w.change(without);
    int changed = 0;
    for (uint64_t s = 0; s < 100; ++s) {
      const ViewParams before = draw_view_params(spec, kCifar, {.sample = s});
      ViewParams expected = before;
      w.reset(expected);
      EXPECT_EQ(draw_view_params(without, kCifar, {.sample = s}), expected) << w.operation;
      if (expected != before) ++changed;
    }
    EXPECT_GT(changed, 5) << w.operation;
  }
}

TEST(ViewParams, ProbabilitiesAreKept) {
  const ViewSpec spec = everything();
  const auto is = [&](auto holds) { return share(spec, kCifar, holds); };
  EXPECT_NEAR(is([](const ViewParams& p) { return p.flip; }), 0.5, six_sigma(0.5));
  EXPECT_NEAR(is([](const ViewParams& p) { return p.grayscale; }), 0.2, six_sigma(0.2));
  EXPECT_NEAR(is([](const ViewParams& p) { return p.blur_sigma > 0; }), 0.5, six_sigma(0.5));
  EXPECT_NEAR(is([](const ViewParams& p) { return p.solarize_threshold == 0.5f; }), 0.2,
              six_sigma(0.2));
  EXPECT_NEAR(is([](const ViewParams& p) { return p.jitter_factor[0] != 1; }), 0.8, six_sigma(0.8));
}

TEST(ViewParams, TheFourJitterOperationsComeInAllOrdersEquallyOften) {
  ViewSpec spec;
  spec.color_jitter.prob = 1;
  std::map<std::array<JitterOp, 4>, int> count;
  for (uint64_t s = 0; s < kDraws; ++s)
    ++count[draw_view_params(spec, kCifar, {.sample = s}).jitter_order];
  EXPECT_EQ(count.size(), 24u);
  for (const auto& [order, times] : count)
    EXPECT_NEAR(times / double{kDraws}, 1.0 / 24, six_sigma(1.0 / 24));
}

TEST(ViewParams, FactorsAreUniformInTheirIntervals) {
  ViewSpec spec;
  spec.color_jitter = {
      .prob = 1, .brightness = 0.4f, .contrast = 1.5f, .saturation = 0, .hue = 0.1f};
  double brightness = 0;
  double contrast = 0;
  for (uint64_t s = 0; s < kDraws; ++s) {
    const auto f = draw_view_params(spec, kCifar, {.sample = s}).jitter_factor;
    ASSERT_TRUE(f[0] >= 0.6f && f[0] <= 1.4f) << f[0];
    ASSERT_TRUE(f[1] >= 0.0f && f[1] <= 2.5f) << f[1];  // max(0, 1 - 1.5) = 0
    ASSERT_EQ(f[2], 1.0f);
    ASSERT_TRUE(f[3] >= -0.1f && f[3] <= 0.1f) << f[3];
    brightness += f[0] / kDraws;
    contrast += f[1] / kDraws;
  }
  // Six deviations of the mean of kDraws uniform numbers.
  EXPECT_NEAR(brightness, 1.0, 6 * 0.8 / std::sqrt(12.0 * kDraws));
  EXPECT_NEAR(contrast, 1.25, 6 * 2.5 / std::sqrt(12.0 * kDraws));
}

TEST(ViewParams, CropsLieInTheImageWithTheAskedAreasAndAspects) {
  const ImageDims dims{197, 131};
  const ViewSpec spec;
  double area = 0;
  int fallbacks = 0;
  for (uint64_t s = 0; s < kDraws; ++s) {
    const CropRect r = draw_view_params(spec, dims, {.sample = s}).crop;
    ASSERT_TRUE(r.top >= 0 && r.left >= 0 && r.height >= 1 && r.width >= 1);
    ASSERT_TRUE(r.top + r.height <= dims.height && r.left + r.width <= dims.width);
    const double aspect = static_cast<double>(r.width) / static_cast<double>(r.height);
    ASSERT_TRUE(aspect > 0.72 && aspect < 1.38)
        << aspect;  // 3/4 to 4/3 and rounding to whole pixels
    area += static_cast<double>(r.height * r.width) /
            static_cast<double>(dims.height * dims.width) / kDraws;
    if (r == CropRect{11, 0, 175, 131}) ++fallbacks;
  }
  // Uniform in (0.08, 1) would give 0.54; large crops of a tall image are redrawn more often.
  EXPECT_GT(area, 0.38);
  EXPECT_LT(area, 0.54);
  EXPECT_LT(fallbacks, 10);
}

TEST(ViewParams, CropsOfASquareHaveTheAreasOfRandomResizedCrop) {
  // An area a is accepted if its aspect r fits: |ln r| <= -ln a. With ln r uniform up to ln(4/3),
  // the density is 1 up to a = 3/4 and then falls as -ln a / ln(4/3).
  const double log_aspect = std::log(4.0 / 3);
  const double total = 0.67 + (0.25 + 0.75 * std::log(0.75)) / log_aspect;
  const ImageDims square{1000, 1000};
  const auto area_below = [&](double bound) {
    return share(ViewSpec{}, square, [bound](const ViewParams& p) {
      return static_cast<double>(p.crop.height * p.crop.width) <= bound * 1e6;
    });
  };
  // Six deviations, and 0.001 for sides rounded to whole pixels.
  for (const double bound : {0.2, 0.5, 0.75}) {
    const double expected = (bound - 0.08) / total;
    EXPECT_NEAR(area_below(bound), expected, six_sigma(expected) + 1e-3) << bound;
  }
}

TEST(ViewParams, CropsLieAnywhereInTheImage) {
  double top = 0;
  double left = 0;
  for (uint64_t s = 0; s < kDraws; ++s) {
    const CropRect r = draw_view_params(ViewSpec{}, {1000, 800}, {.sample = s}).crop;
    top += (static_cast<double>(r.top) + 0.5) / static_cast<double>(1000 - r.height + 1) / kDraws;
    left += (static_cast<double>(r.left) + 0.5) / static_cast<double>(800 - r.width + 1) / kDraws;
  }
  const double allowed = 6 / std::sqrt(12.0 * kDraws);  // six deviations of the mean
  EXPECT_NEAR(top, 0.5, allowed);
  EXPECT_NEAR(left, 0.5, allowed);
}

TEST(ViewParams, AnImpossibleAspectFallsBackToTheLargestCentredCrop) {
  ViewSpec spec;
  spec.crop_scale = {1, 1};
  EXPECT_EQ(draw_view_params(spec, {10, 100}, {}).crop, (CropRect{0, 43, 10, 13}));  // 10 * 4/3
  EXPECT_EQ(draw_view_params(spec, {100, 10}, {}).crop, (CropRect{43, 0, 13, 10}));  // 10 / (3/4)
}

TEST(ViewParams, ASinglePixelIsACrop) {
  EXPECT_EQ(draw_view_params(ViewSpec{}, {1, 1}, {}).crop, (CropRect{0, 0, 1, 1}));
}

/// The operations one by one, as view.h lists them.
std::vector<float> step_by_step(const RandomImage& image, const ViewParams& p,
                                const ViewOutput& output) {
  const int64_t pixels = output.size * output.size;
  std::vector<float> x = poisoned(3 * pixels);
  const auto args =
      crop_resize_args(p.crop, output.size, p.flip ? Mirror::kLeftRight : Mirror::kNo);
  PoisonedWorkspace workspace(resize_workspace_bytes(args));
  resize_cpu(image.view(), args, x.data(), workspace.get());
  for (const JitterOp op : p.jitter_order) {
    const float factor = p.jitter_factor[static_cast<size_t>(op)];
    if (op == JitterOp::kBrightness) adjust_brightness_cpu(x.data(), pixels, factor);
    if (op == JitterOp::kContrast) adjust_contrast_cpu(x.data(), pixels, factor);
    if (op == JitterOp::kSaturation) adjust_saturation_cpu(x.data(), pixels, factor);
    if (op == JitterOp::kHue) adjust_hue_cpu(x.data(), pixels, factor);
  }
  if (p.grayscale) grayscale_cpu(x.data(), pixels);
  if (p.blur_sigma > 0) {
    const BlurDims dims{output.size, output.size,
                        blur_kernel_size(p.blur_kernel, output.size, p.blur_sigma)};
    PoisonedWorkspace rows(gaussian_blur_workspace_bytes(dims));
    gaussian_blur_cpu(x.data(), dims, p.blur_sigma, rows.get());
  }
  if (p.solarize_threshold <= 1) solarize_cpu(x.data(), pixels, p.solarize_threshold);
  std::vector<float> y = poisoned(3 * pixels);
  normalize_cpu(x.data(), y.data(), Dtype::kF32, pixels, output.normalization);
  return y;
}

TEST(ViewParams, AFullBlurKernelChangesNothingElse) {
  ViewSpec full = everything();
  full.blur.kernel = BlurKernel::kFull;
  for (uint64_t s = 0; s < 50; ++s) {
    ViewParams expected = draw_view_params(everything(), kCifar, {.sample = s});
    expected.blur_kernel = BlurKernel::kFull;
    EXPECT_EQ(draw_view_params(full, kCifar, {.sample = s}), expected);
  }
}

class View : public testing::TestWithParam<BlurKernel> {};

TEST_P(View, IsItsOperationsInOrder) {
  ViewSpec spec = everything();
  spec.blur.kernel = GetParam();
  for (const int64_t size : {1, 7, 32, 33}) {
    const ViewOutput output{size, imagenet_normalization(), Dtype::kF32};
    for (uint64_t s = 0; s < 40; ++s) {
      const RandomImage image({40 + static_cast<int64_t>(s), 37}, s);
      const ViewParams params = draw_view_params(spec, image.dims, {.sample = s});
      std::vector<float> got = poisoned(3 * size * size);
      PoisonedWorkspace workspace(view_workspace_bytes(image.dims, {.size = size}));
      render_view_cpu(image.view(), params, output, got.data(), workspace.get());
      const std::vector<float> want = step_by_step(image, params, output);
      // Skipping a no-op may save a rounding.
      for (size_t i = 0; i < got.size(); ++i)
        ASSERT_NEAR(got[i], want[i], 5e-5) << "view " << s << " at " << i;
      std::vector<uint16_t> narrow(got.size());
      for (const Dtype dtype : {Dtype::kBf16, Dtype::kF16}) {
        const ViewOutput rounded{size, output.normalization, dtype};
        render_view_cpu(image.view(), params, rounded, narrow.data(), workspace.get());
        for (size_t i = 0; i < got.size(); ++i) {
          const bool bf16 = dtype == Dtype::kBf16;
          ASSERT_EQ(narrow[i], bf16 ? to_bf16(got[i]).bits : to_f16(got[i]).bits);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(BlurKernels, View, testing::Values(BlurKernel::kTenth, BlurKernel::kFull));

TEST(ViewOrder, OfTheJitterMatters) {
  const RandomImage image({32, 32}, 5);
  ViewParams params;
  params.crop = {0, 0, 32, 32};
  params.jitter_factor = {1.4f, 0.6f, 1.2f, 0.1f};
  const ViewOutput output{32, {}};
  std::set<std::vector<float>> views;
  std::ranges::sort(params.jitter_order);
  do {
    std::vector<float> view = poisoned(3 * 32 * 32);
    PoisonedWorkspace workspace(view_workspace_bytes(image.dims, {.size = 32}));
    render_view_cpu(image.view(), params, output, view.data(), workspace.get());
    views.insert(std::move(view));
  } while (std::ranges::next_permutation(params.jitter_order).found);
  EXPECT_EQ(views.size(), 24u);
}

}  // namespace
}  // namespace rela
