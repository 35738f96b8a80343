// Batch normalisation at the shapes of a BYOL step of ResNet-18 with a CIFAR stem, 2 views of 64
// images. Bytes are those that must move: forward reads x twice and writes y; backward reads x and
// dy twice (and y once after a residual) and writes the gradients.

#include <benchmark/benchmark.h>

#include "kernels/norm/batch_norm.h"
#include "roof.h"
#include "runtime/tensor.h"

namespace rela {
namespace {

enum class Epilogue : int64_t { kRelu, kResidualRelu };

struct Layer {
  Layer(const benchmark::State& state)
      : dims{.groups = 2, .rows = state.range(0) / 2, .channels = state.range(1)},
        config{.dtype = static_cast<Dtype>(state.range(2)), .relu = true},
        residual(static_cast<Epilogue>(state.range(3)) == Epilogue::kResidualRelu),
        scratch(batch_norm_workspace_bytes_cpu(dims), Device::kCpu) {
    for (Tensor* t : {&x, &dy, &y, &dx, &other, &dresidual}) {
      *t = Tensor::zeros({state.range(0), dims.channels}, config.dtype);
    }
    for (Tensor* t : {&gamma, &beta, &running_mean, &running_var}) {
      *t = Tensor::full({dims.channels}, 1.0f);
    }
    for (Tensor* t : {&mean, &inv_std}) *t = Tensor::full({2, dims.channels}, 1.0f);
    for (int64_t i = 0; i < x.numel(); ++i) {
      const float v = static_cast<float>(i * 2654435761 % 1000) / 500.0f - 1.0f;
      if (config.dtype == Dtype::kBf16) {
        x.data<Bf16>()[i] = to_bf16(v);
        dy.data<Bf16>()[i] = to_bf16(-v);
      } else {
        x.data<float>()[i] = v;
        dy.data<float>()[i] = -v;
      }
    }
  }

  void forward() {
    batch_norm_forward_cpu({.x = x.raw(),
                            .residual = residual ? other.raw() : nullptr,
                            .y = y.raw(),
                            .gamma = gamma.data<float>(),
                            .beta = beta.data<float>(),
                            .running_mean = running_mean.data<float>(),
                            .running_var = running_var.data<float>(),
                            .mean = mean.data<float>(),
                            .inv_std = inv_std.data<float>()},
                           config, dims, scratch.workspace(), Stream{});
  }
  void backward() {
    batch_norm_backward_cpu({.dy = dy.raw(),
                             .x = x.raw(),
                             .y = residual ? y.raw() : nullptr,
                             .gamma = gamma.data<float>(),
                             .beta = beta.data<float>(),
                             .mean = mean.data<float>(),
                             .inv_std = inv_std.data<float>(),
                             .dx = dx.raw(),
                             .dresidual = residual ? dresidual.raw() : nullptr,
                             .dgamma = running_mean.data<float>(),
                             .dbeta = running_var.data<float>()},
                            config, dims, scratch.workspace(), Stream{});
  }

  BatchNormDims dims;
  BatchNormConfig config;
  bool residual;
  Tensor x, dy, y, dx, other, dresidual;
  Tensor gamma, beta, running_mean, running_var, mean, inv_std;
  Scratch scratch;
};

void bm_batch_norm_forward(benchmark::State& state) {
  Layer layer(state);
  const RoofShare share;
  for (auto _ : state) layer.forward();
  const int64_t arrays = layer.residual ? 4 : 3;
  share.of_copy(state, static_cast<double>(arrays * layer.x.bytes()));
}

void bm_batch_norm_backward(benchmark::State& state) {
  Layer layer(state);
  layer.forward();
  const RoofShare share;
  for (auto _ : state) layer.backward();
  const int64_t arrays = layer.residual ? 7 : 5;
  share.of_copy(state, static_cast<double>(arrays * layer.x.bytes()));
}

void resnet_shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "channels", "bf16", "residual"})
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    for (const Epilogue epilogue : {Epilogue::kRelu, Epilogue::kResidualRelu}) {
      for (const int64_t stage : {0, 1, 2, 3}) {
        const int64_t rows = 128 * (32 >> stage) * (32 >> stage);
        bench->Args(
            {rows, 64 << stage, static_cast<int64_t>(dtype), static_cast<int64_t>(epilogue)});
      }
    }
    // Width 16 and the hidden layer of a head.
    bench->Args({128 * 1024, 16, static_cast<int64_t>(dtype), 0});
    bench->Args({128, 1024, static_cast<int64_t>(dtype), 0});
  }
}
BENCHMARK(bm_batch_norm_forward)->Apply(resnet_shapes);
BENCHMARK(bm_batch_norm_backward)->Apply(resnet_shapes);

}  // namespace
}  // namespace rela
