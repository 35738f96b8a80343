// The statistics that the trainer monitors.

#include <benchmark/benchmark.h>

#include "roof.h"
#include "runtime/ops/statistics.h"

namespace rela {
namespace {

Tensor ramp(const Shape& shape) {
  Tensor t = Tensor::empty(shape, Dtype::kF32);
  for (int64_t i = 0; i < t.numel(); ++i)
    t.data<float>()[i] = static_cast<float>(i * 2654435761 % 1000) / 500.0f - 1.0f;
  return t;
}

void bm_sum_of_squares(benchmark::State& state) {
  const Tensor x = ramp({state.range(0)});
  double sum = 0;
  const RoofShare share;
  for (auto _ : state) benchmark::DoNotOptimize(sum += sum_of_squares(x));
  share.of_copy(state, static_cast<double>(x.bytes()));
}
BENCHMARK(bm_sum_of_squares)->Arg(16'500'000)->UseRealTime()->Unit(benchmark::kMicrosecond);

void bm_count_nonfinite(benchmark::State& state) {
  const Tensor x = ramp({state.range(0)});
  int64_t count = 0;
  const RoofShare share;
  for (auto _ : state) benchmark::DoNotOptimize(count += count_nonfinite(x));
  share.of_copy(state, static_cast<double>(x.bytes()));
}
BENCHMARK(bm_count_nonfinite)->Arg(16'500'000)->UseRealTime()->Unit(benchmark::kMicrosecond);

void bm_feature_std(benchmark::State& state) {
  const Tensor x = ramp({256, 512});
  float sum = 0;
  for (auto _ : state) benchmark::DoNotOptimize(sum += feature_std(x));
}
BENCHMARK(bm_feature_std)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace rela
