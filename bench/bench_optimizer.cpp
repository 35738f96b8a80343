// One fused optimiser step over the parameters of a ResNet-18-sized network with BYOL's heads,
// split into segments of convolution size and of norm size.

#include <benchmark/benchmark.h>

#include "kernels/optimizer/optimizer.h"
#include "roof.h"
#include "runtime/tensor.h"

namespace rela {
namespace {

enum class Rule : int64_t { kSgd, kAdamW, kLars };
enum class Copies : int64_t { kF32, kBf16 };

/// 20 pairs of a weight and two norm parameters; the target ends after 18 of them.
struct Network {
  static constexpr int64_t kWeight = 589'824;  // 3x3, 256 to 256 channels
  static constexpr int64_t kNorm = 256;
  static constexpr int64_t kPairs = 20;
  static constexpr int64_t kTargetPairs = 18;
  static constexpr int64_t kPair = kWeight + 2 * kNorm;

  Network() {
    for (int64_t i = 0; i < kPairs; ++i) {
      segments.push_back({i * kPair, kWeight, true});
      segments.push_back({i * kPair + kWeight, kNorm, false});
      segments.push_back({i * kPair + kWeight + kNorm, kNorm, false});
    }
  }
  static Tensor array() { return Tensor::full({kPairs * kPair}, 0.01f); }

  std::vector<OptimizerSegment> segments;
  Tensor weights = array(), gradients = array(), moment1 = array(), moment2 = array();
  Tensor target = array();
  Tensor compute_weights = Tensor::zeros({kPairs * kPair}, Dtype::kBf16);
  Tensor compute_target = Tensor::zeros({kPairs * kPair}, Dtype::kBf16);
};

void bm_optimizer_step(benchmark::State& state) {
  const auto rule = static_cast<Rule>(state.range(0));
  const bool bf16 = static_cast<Copies>(state.range(1)) == Copies::kBf16;
  Network net;
  OptimizerArrays arrays{.weights = net.weights.data<float>(),
                         .gradients = net.gradients.data<float>(),
                         .moment1 = net.moment1.data<float>(),
                         .moment2 = net.moment2.data<float>(),
                         .target = net.target.data<float>(),
                         .target_size = Network::kTargetPairs * Network::kPair,
                         .tau = 0.99f};
  if (bf16) {
    arrays.compute_weights = net.compute_weights.data<Bf16>();
    arrays.compute_target = net.compute_target.data<Bf16>();
  }
  const RoofShare share;
  for (auto _ : state) {
    switch (rule) {
      case Rule::kSgd:
        sgd_step_cpu(arrays, net.segments, {.lr = 1e-6f, .momentum = 0.9f}, Stream{});
        break;
      case Rule::kAdamW:
        adamw_step_cpu(arrays, net.segments, {.lr = 1e-6f, .step = 10}, Stream{});
        break;
      case Rule::kLars:
        lars_step_cpu(arrays, net.segments, {.lr = 1e-6f}, Stream{});
        break;
    }
  }
  // Read and written: weights, moments; read: the gradient, and for LARS weights and gradient once
  // more for the norms; read and written at its smaller size: the target.
  const int64_t n = net.weights.numel();
  const int64_t once = rule == Rule::kAdamW ? 28 : rule == Rule::kLars ? 28 : 20;
  const int64_t copy = bf16 ? 2 : 0;
  share.of_copy(state, static_cast<double>(n * (once + copy) + arrays.target_size * (8 + copy)));
  state.SetLabel(bf16 ? "with bf16 copies" : "f32");
}
BENCHMARK(bm_optimizer_step)
    ->ArgNames({"rule", "copies"})
    ->ArgsProduct({{static_cast<int64_t>(Rule::kSgd), static_cast<int64_t>(Rule::kAdamW),
                    static_cast<int64_t>(Rule::kLars)},
                   {static_cast<int64_t>(Copies::kF32), static_cast<int64_t>(Copies::kBf16)}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rela
