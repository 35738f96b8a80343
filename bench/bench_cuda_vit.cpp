// Attention, patches and token embeddings on a GPU at ViT-B/16's sizes, 256 images. Bytes are those
// that must move: attention reads queries, keys, values and writes its output, and backward reads
// those and the output's gradient and writes three more. Forward there are two variants: the
// library's, as used in training, and our kernel.

#include <initializer_list>

#include "cuda_timing.h"
#include "kernels/attention/attention.h"
#include "kernels/embed/patches.h"
#include "kernels/embed/token_embed.h"
#include "kernels/libraries/cudnn/attention.h"

namespace rela {
namespace {

constexpr Stream kStream{};

struct AttentionLayer {
  explicit AttentionLayer(const benchmark::State& state)
      : dims{.images = 256, .tokens = 197, .heads = 12, .width = 64},
        dtype(static_cast<Dtype>(state.range(0))),
        qkv(3 * elements(), dtype),
        dqkv(3 * elements(), dtype),
        out(elements(), dtype),
        dout(elements(), dtype),
        lse(dims.images * dims.heads * dims.tokens, Dtype::kF32) {}
  int64_t elements() const { return dims.images * dims.tokens * dims.heads * dims.width; }
  int64_t bytes() const { return static_cast<int64_t>(out.bytes()); }
  AttentionCall call() const { return {dims, dtype}; }
  AttentionForwardArgs forward_args() const { return {qkv.data(), out.data(), lse.floats()}; }
  void forward() const { attention_forward_kernel_cuda(forward_args(), dims, dtype, kStream); }
  void backward() const {
    attention_backward_cuda({.qkv = qkv.data(),
                             .out = out.data(),
                             .lse = lse.floats(),
                             .dout = dout.data(),
                             .dqkv = {dqkv.data()}},
                            dims, dtype, kStream);
  }
  AttentionDims dims;
  Dtype dtype;
  DeviceBuffer qkv, dqkv, out, dout, lse;
};
void bm_attention_forward_kernel(benchmark::State& state) {
  const AttentionLayer layer(state);
  time_on_device(state, 4 * layer.bytes(), [&] { layer.forward(); });
}
void bm_attention_forward_cudnn(benchmark::State& state) {
  const AttentionLayer layer(state);
  if (!has_library_attention(layer.call())) return state.SkipWithError("cuDNN has no plan for it");
  const DeviceBuffer scratch(static_cast<int64_t>(library_attention_workspace_bytes(layer.call())),
                             Dtype::kU8);
  const Workspace workspace{scratch.data(), scratch.bytes()};
  time_on_device(state, 4 * layer.bytes(), [&] {
    library_attention(layer.call(), layer.forward_args(), workspace, kStream);
  });
}
void bm_attention_backward(benchmark::State& state) {
  const AttentionLayer layer(state);
  layer.forward();
  time_on_device(state, 8 * layer.bytes(), [&] { layer.backward(); });
}

void bm_patches(benchmark::State& state) {
  const auto dtype = static_cast<Dtype>(state.range(0));
  const PatchDims d{.n = 256, .h = 224, .w = 224, .c = 3, .patch = 16};
  const DeviceBuffer x(d.n * d.h * d.w * d.c, dtype), y(d.n * d.tokens() * d.width(), dtype);
  time_on_device(state, static_cast<int64_t>(x.bytes() + y.bytes()),
                 [&] { patches_forward_cuda(d, x.data(), y.data(), dtype, kStream); });
}

struct TokenLayer {
  explicit TokenLayer(const benchmark::State& state)
      : dims{.n = 256, .patches = 196, .width = 768},
        dtype(static_cast<Dtype>(state.range(0))),
        x(dims.n * dims.patches * dims.width, dtype),
        y(dims.n * dims.tokens() * dims.width, dtype),
        position(dims.tokens() * dims.width, Dtype::kF32),
        class_token(dims.width, Dtype::kF32) {}
  int64_t bytes() const { return static_cast<int64_t>(x.bytes() + y.bytes()); }
  TokenEmbedDims dims;
  Dtype dtype;
  DeviceBuffer x, y, position, class_token;
};
void bm_token_embed_forward(benchmark::State& state) {
  const TokenLayer t(state);
  time_on_device(state, t.bytes(), [&] {
    token_embed_forward_cuda({.x = t.x.data(),
                              .class_token = t.class_token.floats(),
                              .position = t.position.floats(),
                              .y = t.y.data()},
                             t.dims, t.dtype, kStream);
  });
}
void bm_token_embed_backward(benchmark::State& state) {
  const TokenLayer t(state);
  time_on_device(state, t.bytes(), [&] {
    token_embed_backward_cuda({.dy = t.y.data(),
                               .dx = {t.x.data()},
                               .dclass_token = {t.class_token.floats()},
                               .dposition = {t.position.floats()}},
                              t.dims, t.dtype, kStream);
  });
}

void with_dtypes(benchmark::internal::Benchmark* bench, std::initializer_list<Dtype> dtypes) {
  bench->ArgName("dtype")->UseManualTime();
  for (const Dtype dtype : dtypes) bench->Arg(static_cast<int64_t>(dtype));
}
void both_dtypes(benchmark::internal::Benchmark* bench) {
  with_dtypes(bench, {Dtype::kF32, Dtype::kBf16});
}
void all_dtypes(benchmark::internal::Benchmark* bench) {
  with_dtypes(bench, {Dtype::kF32, Dtype::kBf16, Dtype::kF16});
}
void narrow_dtypes(benchmark::internal::Benchmark* bench) {
  with_dtypes(bench, {Dtype::kBf16, Dtype::kF16});
}
BENCHMARK(bm_attention_forward_kernel)->Name("attention_forward_kernel/cuda")->Apply(all_dtypes);
BENCHMARK(bm_attention_forward_cudnn)->Name("attention_forward_cudnn/cuda")->Apply(narrow_dtypes);
BENCHMARK(bm_attention_backward)->Name("attention_backward/cuda")->Apply(all_dtypes);
BENCHMARK(bm_patches)->Name("patches_forward/cuda")->Apply(both_dtypes);
BENCHMARK(bm_token_embed_forward)->Name("token_embed_forward/cuda")->Apply(both_dtypes);
BENCHMARK(bm_token_embed_backward)->Name("token_embed_backward/cuda")->Apply(both_dtypes);

}  // namespace
}  // namespace rela
