// The transport loss and the moments, compared with the same work done by separate operations.

#include <benchmark/benchmark.h>
#include <dnnl.h>

#include <vector>

#include "kernels/random/random_stream.h"
#include "product_sizes.h"
#include "roof.h"
#include "runtime/ops/gram.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/transport.h"

namespace rela {
namespace {

Tensor random_rows(int64_t rows, int64_t width, uint64_t seed) {
  RandomStream random({.seed = seed, .op = RandomOp::kSynthetic});
  Tensor x = Tensor::empty({rows, width}, Dtype::kF32);
  for (float& v : x.span<float>()) v = random.normal();
  return x;
}

/// A step's loss: features of two views, a map, targets.
struct Step {
  explicit Step(const benchmark::State& state)
      : dims{.rows = state.range(0),
             .width = state.range(1),
             .outputs = state.range(2),
             .targets = state.range(0) / 2},
        dtype(state.range(3) == 0 ? Dtype::kF32 : Dtype::kBf16),
        h(make_parameter(random_rows(dims.rows, dims.width, 1))),
        w(random_rows(dims.outputs, dims.width, 2)),
        z(random_rows(dims.targets, dims.outputs, 3)),
        z_twice(random_rows(dims.rows, dims.outputs, 3)) {}

  TransportDims dims;
  Dtype dtype;
  Var h, w;
  Tensor z, z_twice;
};

/// Our op with only the gradient of h: the map is fixed.
void fused(benchmark::State& state) {
  const Step s(state);
  const RoofShare share;
  for (auto _ : state) {
    zero_grad(s.h);
    backward(transport_cosine_loss(s.dtype == Dtype::kF32 ? s.h : cast(s.h, s.dtype), s.w,
                                   std::nullopt, s.z));
  }
  share.of_peak(state, flops_of(s.dims));
}

void unfused(benchmark::State& state) {
  const Step s(state);
  const Var z = s.dtype == Dtype::kF32 ? Var(s.z_twice) : cast(Var(s.z_twice), s.dtype);
  const RoofShare share;
  for (auto _ : state) {
    zero_grad(s.h);
    const Var p = linear(s.dtype == Dtype::kF32 ? s.h : cast(s.h, s.dtype), s.w);
    backward(byol_loss(p, z.value(), LossReduction::kMean));
  }
  share.of_peak(state, flops_of(s.dims));
}

void loss_shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "d", "k", "bf16"})->Unit(benchmark::kMicrosecond)->UseRealTime();
  for (const int64_t bf16 : {0, 1}) {
    bench->Args({256, 128, 64, bf16});
    bench->Args({1024, 512, 512, bf16});
    bench->Args({16384, 512, 512, bf16});
  }
}
BENCHMARK(fused)->Name("transport_cosine_loss/cpu")->Apply(loss_shapes);
BENCHMARK(unfused)->Name("transport_cosine_loss_unfused/cpu")->Apply(loss_shapes);

void rows_fused(benchmark::State& state) {
  const int64_t n = state.range(0), d = state.range(1), k = state.range(2);
  const Tensor h = random_rows(n, d, 1), w = random_rows(k, d, 2), y = random_rows(n, k, 3);
  const RoofShare share;
  for (auto _ : state) benchmark::DoNotOptimize(transport_rows(h, w, std::nullopt, y));
  share.of_peak(state, 2.0 * static_cast<double>(n * d * k));
}
void rows_unfused(benchmark::State& state) {
  const int64_t n = state.range(0), d = state.range(1), k = state.range(2);
  const Tensor h = random_rows(n, d, 1), w = random_rows(k, d, 2), y = random_rows(n, k, 3);
  std::vector<float> residual(n);
  const RoofShare share;
  for (auto _ : state) {
    const NoGradGuard no_grad;
    const Tensor p = linear(Var(h), Var(w)).value();
    const float *a = p.data<float>(), *b = y.data<float>();
    for (int64_t i = 0; i < n; ++i) {
      float sum = 0;
      for (int64_t c = 0; c < k; ++c) {
        const float difference = a[i * k + c] - b[i * k + c];
        sum += difference * difference;
      }
      residual[i] = sum;
    }
    benchmark::ClobberMemory();
  }
  share.of_peak(state, 2.0 * static_cast<double>(n * d * k));
}
void row_shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"n", "d", "k"})->Unit(benchmark::kMillisecond)->UseRealTime();
  bench->Args({10000, 512, 512});
}
BENCHMARK(rows_fused)->Name("transport_rows/cpu")->Apply(row_shapes);
BENCHMARK(rows_unfused)->Name("transport_rows_unfused/cpu")->Apply(row_shapes);

/// Gram matrices of x and y, their product, means and quartic sums.
void moments(benchmark::State& state) {
  const int64_t n = state.range(0), p = state.range(1);
  const Tensor x = random_rows(n, p, 1), y = random_rows(n, p, 2);
  const RoofShare share;
  for (auto _ : state) {
    MomentSums sums(p, p);
    sums.add(x, y);
    benchmark::ClobberMemory();
  }
  share.of_peak(state, 6.0 * static_cast<double>(n * p * p));
}

/// Only the three matrix products, computed by the library in full rather than as lower halves.
void products(benchmark::State& state) {
  const int64_t n = state.range(0), p = state.range(1);
  const Tensor x = random_rows(n, p, 1), y = random_rows(n, p, 2);
  std::vector<float> gram(p * p);
  const auto multiply = [&](const Tensor& a, const Tensor& b) {
    dnnl_sgemm('T', 'N', p, p, n, 1.0f, a.data<float>(), p, b.data<float>(), p, 0.0f, gram.data(),
               p);
  };
  const RoofShare share;
  for (auto _ : state) {
    multiply(x, x);
    multiply(x, y);
    multiply(y, y);
    benchmark::ClobberMemory();
  }
  share.of_peak(state, 6.0 * static_cast<double>(n * p * p));
}
void moment_shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"n", "p"})->Unit(benchmark::kMillisecond)->UseRealTime();
  bench->Args({10000, 128});
  bench->Args({10000, 512});
}
BENCHMARK(moments)->Name("moments/cpu")->Apply(moment_shapes);
BENCHMARK(products)->Name("moments_bare_products/cpu")->Apply(moment_shapes);

}  // namespace
}  // namespace rela
