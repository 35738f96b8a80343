// Images per second from the loader to a consumer that does nothing else: two views of each.

#include <benchmark/benchmark.h>

#include "rela/data/eval_loader.h"
#include "rela/data/loader.h"
#include "rela/data/synthetic.h"

namespace rela {
namespace {

void bm_two_view_loader(benchmark::State& state) {
  const auto set = make_synthetic(1024, Split::kTrain, 0);
  LoaderOptions options;
  options.batch_size = 256;
  options.workers = static_cast<int>(state.range(0));
  options.dtype = state.range(1) == 16 ? Dtype::kBf16 : Dtype::kF32;
  options.augment_on = state.range(2) == 1 ? AugmentOn::kDevice : AugmentOn::kCpu;
  TwoViewLoader loader(*set, options);
  for (int i = 0; i < options.prefetch + 1; ++i)
    loader.next();  // discard what was made before the clock started
  for (auto _ : state) benchmark::DoNotOptimize(loader.next().samples.raw());
  state.SetItemsProcessed(state.iterations() * options.batch_size);
  state.SetLabel(state.range(2) == 1 ? "what is left to the CPU where a GPU renders the views"
                                     : "items are images of 32x32, two views each");
}
BENCHMARK(bm_two_view_loader)
    ->Name("two_view_loader")
    ->ArgNames({"workers", "bits", "gpu"})
    ->Args({1, 32, 0})
    ->Args({1, 16, 0})
    ->Args({2, 32, 0})
    ->Args({1, 32, 1})
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void bm_eval_loader(benchmark::State& state) {
  const auto set = make_synthetic(1024, Split::kTest, 0);
  EvalLoader loader(*set, {.batch_size = 256});
  for (auto _ : state) {
    loader.rewind();
    while (loader.next() != nullptr) {
    }
  }
  state.SetItemsProcessed(state.iterations() * set->size());
}
BENCHMARK(bm_eval_loader)
    ->Name("eval_loader")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rela
