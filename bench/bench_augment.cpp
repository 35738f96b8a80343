// One random view of one image on one thread: the whole pipeline, and its stages at the size of the
// view.

#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/augment/blur.h"
#include "kernels/augment/color.h"
#include "kernels/augment/resize.h"
#include "kernels/augment/view.h"
#include "kernels/random/random_stream.h"
#include "roof.h"

namespace rela {
namespace {

struct Picture {
  explicit Picture(ImageDims d) : dims(d), pixels(static_cast<size_t>(d.height * d.width * 3)) {
    RandomStream random({.seed = 1});
    for (uint8_t& p : pixels) p = static_cast<uint8_t>(random.below(256));
  }
  ImageView view() const { return {pixels.data(), dims}; }

  ImageDims dims;
  std::vector<uint8_t> pixels;
};

/// Everything on, with the probabilities of BYOL's second view.
ViewSpec byol_spec(int64_t size) {
  ViewSpec spec;
  spec.crop_size = size;
  spec.blur.prob = 0.1f;
  spec.solarize.prob = 0.2f;
  return spec;
}

template <Dtype kDtype>
void bm_view(benchmark::State& state) {
  const Picture picture({state.range(0), state.range(0)});
  const ViewSpec spec = byol_spec(state.range(1));
  const ViewOutput output{spec.crop_size, imagenet_normalization(), kDtype};
  std::vector<float> scratch(
      view_workspace_bytes(picture.dims, {.size = spec.crop_size}) / sizeof(float) + 16);
  const Workspace workspace{scratch.data(), scratch.size() * sizeof(float)};
  std::vector<uint8_t> out(static_cast<size_t>(3 * spec.crop_size * spec.crop_size) *
                           dtype_bytes(kDtype));
  uint64_t sample = 0;
  for (auto _ : state) {
    const ViewParams params = draw_view_params(spec, picture.dims, {.sample = sample++});
    render_view_cpu(picture.view(), params, output, out.data(), workspace);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(bm_view<Dtype::kF32>)
    ->Name("view/f32")
    ->ArgNames({"image", "view"})
    ->Args({32, 32})
    ->Args({256, 224});
BENCHMARK(bm_view<Dtype::kBf16>)
    ->Name("view/bf16")
    ->ArgNames({"image", "view"})
    ->Args({32, 32})
    ->Args({256, 224});

void bm_draw_view_params(benchmark::State& state) {
  const ViewSpec spec = byol_spec(32);
  uint64_t sample = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(draw_view_params(spec, {32, 32}, {.sample = sample++}));
  }
}
BENCHMARK(bm_draw_view_params)->Name("draw_view_params");

void bm_resize(benchmark::State& state) {
  const Picture picture({32, 32});
  const ResizeArgs args = crop_resize_args({4, 5, 21, 19}, 32, Mirror::kLeftRight);
  std::vector<float> scratch(resize_workspace_bytes(args) / sizeof(float) + 16);
  std::vector<float> out(3 * 32 * 32);
  for (auto _ : state) {
    resize_cpu(picture.view(), args, out.data(), {scratch.data(), scratch.size() * sizeof(float)});
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(bm_resize)->Name("resize/21x19_to_32x32");

/// One in-place operation on the planes of a view.
template <class Op>
void bm_in_place(benchmark::State& state, Op op) {
  const int64_t pixels = state.range(0) * state.range(0);
  std::vector<float> x(static_cast<size_t>(3 * pixels));
  RandomStream random({.seed = 1});
  for (float& v : x) v = random.uniform();
  const RoofShare share;
  for (auto _ : state) {
    op(x.data(), pixels);
    benchmark::DoNotOptimize(x.data());
  }
  // Each plane is read and written.
  share.of_copy(state, static_cast<double>(3 * pixels * 2 * sizeof(float)));
}
BENCHMARK_CAPTURE(bm_in_place, contrast, [](float* x, int64_t n) {
  adjust_contrast_cpu(x, n, 1.0f);
})->Arg(32);
BENCHMARK_CAPTURE(bm_in_place, saturation, [](float* x, int64_t n) {
  adjust_saturation_cpu(x, n, 0.9f);
})->Arg(32);
BENCHMARK_CAPTURE(bm_in_place, hue, [](float* x, int64_t n) {
  adjust_hue_cpu(x, n, 0.05f);
})->Arg(32);

void bm_blur(benchmark::State& state) {
  constexpr float kSigma = 1;
  const auto kernel = state.range(1) == 0 ? BlurKernel::kTenth : BlurKernel::kFull;
  const int64_t side = state.range(0);
  const BlurDims dims{side, side, blur_kernel_size(kernel, side, kSigma)};
  std::vector<float> x(static_cast<size_t>(3 * dims.height * dims.width), 0.5f);
  std::vector<float> scratch(gaussian_blur_workspace_bytes(dims) / sizeof(float));
  for (auto _ : state) {
    gaussian_blur_cpu(x.data(), dims, kSigma, {scratch.data(), scratch.size() * sizeof(float)});
    benchmark::DoNotOptimize(x.data());
  }
}
BENCHMARK(bm_blur)->Name("blur")->ArgNames({"side", "full"})->ArgsProduct({{32, 224}, {0, 1}});

}  // namespace
}  // namespace rela
