// The cost of ReLA's targets relative to the prior's forward passes, on images of CIFAR's size.

#include <benchmark/benchmark.h>

#include <filesystem>
#include <random>
#include <vector>

#include "rela/data/synthetic.h"
#include "rela/targets/feature_pass.h"
#include "rela/targets/targets.h"
#include "rela/targets/whitening.h"

namespace rela {
namespace {

constexpr int64_t kImages = 20 * FeaturePass::kBatch;

/// Times do not depend on the weights: random ones will do.
Prior make_prior(const char* model) {
  PriorSpec spec;  // built up: gcc 12 takes the nested initialiser for uninitialised
  spec.student = backbone_named(model);
  spec.seed = 1;
  return Prior(spec);
}

/// Everything: images, forward passes, covariance, eigenvectors, projection, both files.
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

/// The forward passes alone: one batch, already in memory, repeatedly.
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

/// Eigenvectors of the covariance of features of this width: needed once per prior and data set.
void bm_whitening(benchmark::State& state) {
  const int64_t width = state.range(0), rows = 2 * width;
  std::vector<float> features(static_cast<size_t>(rows * width));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (float& x : features) x = normal(random);
  CovarianceAccumulator covariance(width);
  covariance.add(features);
  for (auto _ : state) benchmark::DoNotOptimize(make_whitening(covariance, width).out);
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
BENCHMARK(bm_whitening)
    ->Name("targets_eigenvectors")
    ->ArgName("width")
    ->Arg(64)
    ->Arg(512)
    ->Arg(2048)
    ->Apply(settings);

}  // namespace
}  // namespace rela
