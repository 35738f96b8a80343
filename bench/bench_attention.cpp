// Attention of a vision transformer with 16-pixel patches: one layer, a few images.

#include <benchmark/benchmark.h>

#include "kernels/attention/attention.h"
#include "roof.h"
#include "runtime/tensor.h"

namespace rela {
namespace {

struct AttentionLayer {
  explicit AttentionLayer(const benchmark::State& state)
      : dims{.images = state.range(0), .tokens = 197, .heads = 12, .width = 64},
        dtype(static_cast<Dtype>(state.range(1))) {
    const int64_t part = dims.heads * dims.width;
    for (Tensor* t : {&qkv, &dqkv}) {
      *t = Tensor::zeros({dims.images, dims.tokens, 3 * part}, dtype);
    }
    for (Tensor* t : {&out, &dout}) *t = Tensor::zeros({dims.images, dims.tokens, part}, dtype);
    lse = Tensor::zeros({dims.images, dims.heads, dims.tokens}, Dtype::kF32);
  }
  void forward() {
    attention_forward_cpu({qkv.raw(), out.raw(), lse.data<float>()}, dims, dtype, {}, {});
  }
  void backward() {
    attention_backward_cpu({.qkv = qkv.raw(),
                            .out = out.raw(),
                            .lse = lse.data<float>(),
                            .dout = dout.raw(),
                            .dqkv = {dqkv.raw()}},
                           dims, dtype, {});
  }
  /// The operations of `products` products of all queries and keys.
  double flops(int products) const {
    const int64_t pairs = dims.images * dims.heads * dims.tokens * dims.tokens;
    return 2.0 * products * static_cast<double>(pairs * dims.width);
  }

  AttentionDims dims;
  Dtype dtype;
  Tensor qkv, dqkv, out, dout, lse;
};

void bm_attention_forward(benchmark::State& state) {
  AttentionLayer layer(state);
  const RoofShare share;
  for (auto _ : state) layer.forward();
  share.of_peak(state, layer.flops(2));
}
void bm_attention_backward(benchmark::State& state) {
  AttentionLayer layer(state);
  layer.forward();
  const RoofShare share;
  for (auto _ : state) layer.backward();
  share.of_peak(state, layer.flops(5));
}
void vit_sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"images", "dtype"})->UseRealTime()->Unit(benchmark::kMillisecond);
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    bench->Args({4, static_cast<int64_t>(dtype)});
  }
}
BENCHMARK(bm_attention_forward)->Name("attention_forward/cpu")->Apply(vit_sizes);
BENCHMARK(bm_attention_backward)->Name("attention_backward/cpu")->Apply(vit_sizes);

}  // namespace
}  // namespace rela
