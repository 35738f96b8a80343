// A whole BYOL training step: ResNet-18 with the CIFAR stem, two views of `batch` images. One
// iteration is one step; items are images.

#include <benchmark/benchmark.h>

#include "byol_training_step.h"
#include "rela/programs/program.h"

namespace rela {
namespace {

void bm_byol_step(benchmark::State& state) {
  const int64_t width = state.range(0), images = state.range(1);
  const Dtype compute = static_cast<Dtype>(state.range(2));
  Byol byol({.backbone = ResNetSpec{.width = width}, .compute = compute},
            /*seed=*/1);
  Optimizer optimizer(step_optimizer(), byol.parameters(), byol.target());
  Tensor pixels = Tensor::empty({kViews * images, 32, 32, 3}, Dtype::kF32);
  for (int64_t i = 0; i < pixels.numel(); ++i)  // arbitrary, on the scale of normalised pixels
    pixels.data<float>()[i] = static_cast<float>(i * 7919 % 1000) / 250.0f - 2.0f;
  const TwoViewBatch batch{.images = cast(Var(pixels), compute).value()};
  byol_training_step(byol, optimizer, batch);  // makes plans and allocates memory
  for (auto _ : state) byol_training_step(byol, optimizer, batch);
  state.SetItemsProcessed(state.iterations() * images);
  state.SetLabel(compute == Dtype::kBf16 ? "bf16-mixed" : "fp32");
}
BENCHMARK(bm_byol_step)
    ->ArgNames({"width", "batch", "dtype"})
    ->ArgsProduct({{16},
                   {128},
                   {static_cast<int64_t>(Dtype::kF32), static_cast<int64_t>(Dtype::kBf16)}})
    ->ArgsProduct({{64},
                   {64},
                   {static_cast<int64_t>(Dtype::kF32), static_cast<int64_t>(Dtype::kBf16)}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rela

int main(int argc, char** argv) {
  rela::configure_openmp(argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
