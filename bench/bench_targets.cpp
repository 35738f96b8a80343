// What ReLA's targets cost beside the prior's forward passes, on images of CIFAR's size.

#include <benchmark/benchmark.h>

#include <filesystem>

#include "rela/data/synthetic.h"
#include "rela/targets/feature_pass.h"
#include "rela/targets/targets.h"

namespace rela {
namespace {

constexpr int64_t kImages = 20 * FeaturePass::kBatch;

/// Times do not depend on the weights: random ones serve.
Prior make_prior(const char* model) {
  return Prior({.student = {.name = model, .cifar_stem = true}, .seed = 1});
}

/// The whole: images, forward passes, covariance, eigenvectors, projection, both files.
void bm_targets(benchmark::State& state, const char* model) {
  const auto images = make_synthetic(kImages, Split::kTrain, 0);
  const Prior prior = make_prior(model);
  const auto folder = std::filesystem::temp_directory_path() / "rela_bench_targets";
  const TargetOptions options{.path = (folder / "targets.bin").string(),
                              .student_width = prior.width()};
  for (auto _ : state) {
    std::filesystem::remove_all(folder);
    benchmark::DoNotOptimize(Targets::open_or_build(prior, *images, options).width());
  }
  std::filesystem::remove_all(folder);
  state.SetItemsProcessed(state.iterations() * kImages);
}

/// The forward passes alone: one batch, already in memory, again and again.
void bm_bare_forward(benchmark::State& state, const char* model) {
  const auto images = make_synthetic(FeaturePass::kBatch, Split::kTrain, 0);
  const Prior prior = make_prior(model);
  EvalLoader loader(*images, prior.eval_options(FeaturePass::kBatch));
  const Tensor batch = loader.next()->images;
  for (auto _ : state) {
    for (int64_t done = 0; done < kImages; done += FeaturePass::kBatch)
      benchmark::DoNotOptimize(prior.embed(batch).raw());
  }
  state.SetItemsProcessed(state.iterations() * kImages);
}

void settings(benchmark::internal::Benchmark* bench) {
  bench->UseRealTime()->Unit(benchmark::kMillisecond);
}

BENCHMARK_CAPTURE(bm_targets, resnet56_cifar, "resnet56_cifar")
    ->Name("targets/resnet56_cifar")
    ->Apply(settings);
BENCHMARK_CAPTURE(bm_bare_forward, resnet56_cifar, "resnet56_cifar")
    ->Name("targets_bare_forward/resnet56_cifar")
    ->Apply(settings);

}  // namespace
}  // namespace rela
