// A whole BYOL training step: ResNet-18 with the CIFAR stem, two views of `batch` images. One
// iteration is one step; items are images.

#include <benchmark/benchmark.h>

#include <chrono>
#include <thread>

#include "byol_training_step.h"
#include "rela/programs/program.h"
#include "rela/train/gradient_sums.h"
#include "runtime/comm/sum_queue.h"

namespace rela {
namespace {

TwoViewBatch some_batch(int64_t images, Dtype compute) {
  Tensor pixels = Tensor::empty({kViews * images, 32, 32, 3}, Dtype::kF32);
  for (int64_t i = 0; i < pixels.numel(); ++i)  // arbitrary, on the scale of normalised pixels
    pixels.data<float>()[i] = static_cast<float>(i * 7919 % 1000) / 250.0f - 2.0f;
  return {.images = cast(Var(pixels), compute).value()};
}

void bm_byol_step(benchmark::State& state) {
  const int64_t width = state.range(0), images = state.range(1);
  const Dtype compute = static_cast<Dtype>(state.range(2));
  Byol byol({.backbone = ResNetSpec{.width = width}, .compute = compute},
            /*seed=*/1);
  Optimizer optimizer(step_optimizer(), byol.parameters(), byol.target());
  const TwoViewBatch batch = some_batch(images, compute);
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

/// One of two ranks, on a slow network: a sum takes a while and changes nothing.
class SlowRank : public Communicator {
 public:
  explicit SlowRank(std::chrono::milliseconds delay)
      : queue_([delay](const WireBuffer& /*buffer*/) { std::this_thread::sleep_for(delay); }) {}
  int rank() const override { return 0; }
  int size() const override { return 2; }
  void sum(const WireBuffer& /*buffer*/) override {}
  void begin_sum(const WireBuffer& buffer) override { queue_.push(buffer); }
  void finish_sums() override { queue_.wait(); }
  std::vector<std::string> gather(std::string_view message) override {
    return {std::string(message), std::string(message)};
  }
  void sum_on_host(std::span<double> /*numbers*/) override {}
  void barrier() override {}

 private:
  SumQueue queue_;
};

/// What sums of gradients cost that each take `delay_ms` beside the backward pass.
void bm_overlapped_sums(benchmark::State& state) {
  constexpr int64_t kImages = 128, kBucketBytes = 256 << 10;
  Byol byol({.backbone = ResNetSpec{.width = 16}}, /*seed=*/1);
  Optimizer optimizer(step_optimizer(), byol.parameters(), byol.target());
  const TwoViewBatch batch = some_batch(kImages, Dtype::kF32);
  SlowRank ranks{std::chrono::milliseconds(state.range(0))};
  const TrainedPart part{
      .name = "online", .arena = &byol.parameters(), .optimizer = &optimizer, .state = {}};
  GradientSums sums(ranks, {&part, 1}, {.bucket_bytes = kBucketBytes});
  const auto step = [&] {
    byol.parameters().zero_grad();
    sums.arm();
    backward(byol.loss(byol.encode(batch.images), batch));
    sums.finish();
    optimizer.step(/*lr=*/1e-3f, /*tau=*/0.99f);
  };
  step();
  for (auto _ : state) step();
  state.SetItemsProcessed(state.iterations() * kImages);
  state.SetLabel(std::to_string(sums.buckets()) + " sums");
}
BENCHMARK(bm_overlapped_sums)
    ->ArgName("delay_ms")
    ->Arg(0)
    ->Arg(5)
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
