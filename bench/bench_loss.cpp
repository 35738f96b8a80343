// The losses of one step, and the statistics that the trainer monitors.

#include <benchmark/benchmark.h>

#include "roof.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/statistics.h"

namespace rela {
namespace {

Tensor ramp(const Shape& shape) {
  Tensor t = Tensor::empty(shape, Dtype::kF32);
  for (int64_t i = 0; i < t.numel(); ++i)
    t.data<float>()[i] = static_cast<float>(i * 2654435761 % 1000) / 500.0f - 1.0f;
  return t;
}

void bm_byol_loss(benchmark::State& state) {
  const Var q = make_parameter(ramp({2 * state.range(0), 256}));
  const Tensor z = ramp({2 * state.range(0), 256});
  const RoofShare share;
  for (auto _ : state) {
    zero_grad(q);
    backward(byol_loss(q, z, LossReduction::kSum));
  }
  // q and z are read, the gradient is written, then read and written again when scaled.
  share.of_copy(state, 5.0 * static_cast<double>(z.bytes()));
}
BENCHMARK(bm_byol_loss)->Arg(64)->Arg(256)->UseRealTime()->Unit(benchmark::kMicrosecond);

void bm_softmax_cross_entropy(benchmark::State& state) {
  const int64_t rows = 256;
  const Var logits = make_parameter(ramp({rows, state.range(0)}));
  Tensor labels = Tensor::empty({rows}, Dtype::kI64);
  for (int64_t r = 0; r < rows; ++r) labels.data<int64_t>()[r] = r % state.range(0);
  for (auto _ : state) {
    zero_grad(logits);
    backward(softmax_cross_entropy(logits, labels));
  }
  state.SetItemsProcessed(state.iterations() * logits.value().numel());
}
BENCHMARK(bm_softmax_cross_entropy)
    ->Arg(10)
    ->Arg(1000)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

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
