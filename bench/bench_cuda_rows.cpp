// The memory-bound kernels of a GPU at the sizes of real steps: ResNet-18 with a CIFAR stem at 1024
// images, ResNet-50 at 512 images of 224 pixels, ViT-B/16 at 256 images. bytes_per_second relative
// to that of `copy` is the fraction of the memory bandwidth. Bytes are those that must move: an
// array that a kernel reads in two passes counts twice unless it fits in the cache.

#include "cuda_timing.h"
#include "kernels/activation/gelu.h"
#include "kernels/activation/relu.h"
#include "kernels/activation/softmax.h"
#include "kernels/elementwise/add.h"
#include "kernels/norm/batch_norm.h"
#include "kernels/norm/layer_norm.h"
#include "kernels/pool/global_avg_pool.h"
#include "kernels/pool/max_pool2d.h"

namespace rela {
namespace {

constexpr Stream kStream{};
constexpr int64_t kVitRows = 256 * 197;

void bm_copy(benchmark::State& state) {
  const DeviceBuffer from(state.range(0) / 4, Dtype::kF32);
  const DeviceBuffer to(state.range(0) / 4, Dtype::kF32);
  time_on_device(state, 2 * state.range(0), [&] {
    simt::memcpy_async(to.data(), from.data(), from.bytes(), simt::CopyKind::kDeviceToDevice,
                       kStream);
  });
}
BENCHMARK(bm_copy)->Name("copy")->ArgName("bytes")->Arg(1 << 30)->UseManualTime();

// ---- flat ----

void bm_add(benchmark::State& state) {
  const auto dtype = static_cast<Dtype>(state.range(1));
  const DeviceBuffer a(state.range(0), dtype), b(state.range(0), dtype), y(state.range(0), dtype);
  time_on_device(state, 3 * static_cast<int64_t>(a.bytes()), [&] {
    add_forward_cuda(a.data(), b.data(), y.data(), state.range(0), dtype, kStream);
  });
}
void bm_relu(benchmark::State& state) {
  const auto dtype = static_cast<Dtype>(state.range(1));
  const DeviceBuffer x(state.range(0), dtype), y(state.range(0), dtype);
  time_on_device(state, 2 * static_cast<int64_t>(x.bytes()),
                 [&] { relu_forward_cuda(x.data(), y.data(), state.range(0), dtype, kStream); });
}
void flat_sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"n", "dtype"})->UseManualTime();
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    bench->Args({int64_t{1024} * 32 * 32 * 64, static_cast<int64_t>(dtype)});
  }
}
BENCHMARK(bm_add)->Name("add_forward/cuda")->Apply(flat_sizes);
BENCHMARK(bm_relu)->Name("relu_forward/cuda")->Apply(flat_sizes);

// ---- batch norm ----

struct BatchNormLayer {
  explicit BatchNormLayer(const benchmark::State& state)
      : dims{.groups = 2, .rows = state.range(0) / 2, .channels = state.range(1)},
        config{.dtype = static_cast<Dtype>(state.range(2)), .relu = true},
        has_residual(state.range(3) != 0),
        x(elements(), config.dtype),
        dy(elements(), config.dtype),
        y(elements(), config.dtype),
        dx(elements(), config.dtype),
        residual(has_residual ? elements() : 0, config.dtype),
        dresidual(has_residual ? elements() : 0, config.dtype),
        channel(8 * dims.channels, Dtype::kF32),
        statistics(2 * dims.groups * dims.channels, Dtype::kF32),
        scratch(static_cast<int64_t>(batch_norm_workspace_bytes_cuda(dims)), Dtype::kU8) {}
  int64_t elements() const { return dims.groups * dims.rows * dims.channels; }
  int64_t bytes() const { return static_cast<int64_t>(x.bytes()); }
  float* of_channel(int64_t index) const { return channel.floats() + index * dims.channels; }
  float* of_group(int64_t index) const {
    return statistics.floats() + index * dims.groups * dims.channels;
  }
  Workspace workspace() const { return {scratch.data(), scratch.bytes()}; }

  void forward() const {
    batch_norm_forward_cuda({.x = x.data(),
                             .residual = has_residual ? residual.data() : nullptr,
                             .y = y.data(),
                             .gamma = of_channel(0),
                             .beta = of_channel(1),
                             .running_mean = of_channel(2),
                             .running_var = of_channel(3),
                             .mean = of_group(0),
                             .inv_std = of_group(1)},
                            config, dims, workspace(), kStream);
  }
  void backward() const {
    batch_norm_backward_cuda({.dy = dy.data(),
                              .x = x.data(),
                              .y = has_residual ? y.data() : nullptr,
                              .gamma = of_channel(0),
                              .beta = of_channel(1),
                              .mean = of_group(0),
                              .inv_std = of_group(1),
                              .dx = {dx.data()},
                              .dresidual = {has_residual ? dresidual.data() : nullptr},
                              .dgamma = {of_channel(4)},
                              .dbeta = {of_channel(5)}},
                             config, dims, workspace(), kStream);
  }

  BatchNormDims dims;
  BatchNormConfig config;
  bool has_residual;
  DeviceBuffer x, dy, y, dx, residual, dresidual, channel, statistics, scratch;
};

/// Reads x twice (and the residual), writes y.
void bm_batch_norm_forward(benchmark::State& state) {
  const BatchNormLayer layer(state);
  time_on_device(state, (layer.has_residual ? 4 : 3) * layer.bytes(), [&] { layer.forward(); });
}
/// Reads x and dy twice and writes dx; with a residual, the first pass also reads y and writes
/// dresidual, which the second pass reads instead of dy.
void bm_batch_norm_backward(benchmark::State& state) {
  const BatchNormLayer layer(state);
  layer.forward();
  time_on_device(state, (layer.has_residual ? 7 : 5) * layer.bytes(), [&] { layer.backward(); });
}
void batch_norm_sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "channels", "dtype", "residual"})->UseManualTime();
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    for (const int64_t residual : {0, 1}) {
      for (const int64_t stage : {0, 1, 2, 3}) {
        const int64_t side = 32 >> stage;
        bench->Args({1024 * side * side, 64 << stage, static_cast<int64_t>(dtype), residual});
      }
      bench->Args({512 * 56 * 56, 256, static_cast<int64_t>(dtype), residual});
      bench->Args({512 * 7 * 7, 2048, static_cast<int64_t>(dtype), residual});
    }
  }
}
BENCHMARK(bm_batch_norm_forward)->Name("batch_norm_forward/cuda")->Apply(batch_norm_sizes);
BENCHMARK(bm_batch_norm_backward)->Name("batch_norm_backward/cuda")->Apply(batch_norm_sizes);

// ---- rows of a transformer ----

struct Matrix {
  explicit Matrix(const benchmark::State& state)
      : dims{state.range(0), state.range(1)}, dtype(static_cast<Dtype>(state.range(2))) {}
  DeviceBuffer buffer() const { return {dims.rows * dims.cols, dtype}; }
  DeviceBuffer columns(int64_t count) const { return {count * dims.cols, Dtype::kF32}; }
  int64_t bytes() const { return dims.rows * dims.cols * static_cast<int64_t>(dtype_bytes(dtype)); }
  RowDims dims;
  Dtype dtype;
};
void vit_sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "cols", "dtype"})->UseManualTime();
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    for (const int64_t cols : {192, 768, 1024, 3072}) {
      bench->Args({kVitRows, cols, static_cast<int64_t>(dtype)});
    }
  }
}

void bm_layer_norm_forward(benchmark::State& state) {
  const Matrix m(state);
  const DeviceBuffer x = m.buffer(), residual = m.buffer(), sum = m.buffer(), y = m.buffer();
  const DeviceBuffer affine = m.columns(2), statistics(2 * m.dims.rows, Dtype::kF32);
  time_on_device(state, 4 * m.bytes(), [&] {
    layer_norm_forward_cuda({.x = x.data(),
                             .residual = residual.data(),
                             .sum = sum.data(),
                             .y = y.data(),
                             .gamma = affine.floats(),
                             .beta = affine.floats() + m.dims.cols,
                             .mean = statistics.floats(),
                             .inv_std = statistics.floats() + m.dims.rows},
                            m.dims, m.dtype, kStream);
  });
}
/// dx is added to the gradient from the residual path.
void bm_layer_norm_backward(benchmark::State& state) {
  const Matrix m(state);
  const DeviceBuffer x = m.buffer(), dy = m.buffer(), dx = m.buffer();
  const DeviceBuffer affine = m.columns(3), statistics(2 * m.dims.rows, Dtype::kF32);
  const DeviceBuffer scratch(static_cast<int64_t>(layer_norm_workspace_bytes_cuda(m.dims)),
                             Dtype::kU8);
  time_on_device(state, 4 * m.bytes(), [&] {
    layer_norm_backward_cuda({.dy = dy.data(),
                              .x = x.data(),
                              .gamma = affine.floats(),
                              .mean = statistics.floats(),
                              .inv_std = statistics.floats() + m.dims.rows,
                              .dx = {dx.data(), Write::kAccumulate},
                              .dgamma = {affine.floats() + m.dims.cols},
                              .dbeta = {affine.floats() + 2 * m.dims.cols}},
                             m.dims, m.dtype, {scratch.data(), scratch.bytes()}, kStream);
  });
}
BENCHMARK(bm_layer_norm_forward)->Name("layer_norm_forward/cuda")->Apply(vit_sizes);
BENCHMARK(bm_layer_norm_backward)->Name("layer_norm_backward/cuda")->Apply(vit_sizes);

void bm_gelu_forward(benchmark::State& state) {
  const Matrix m(state);
  const DeviceBuffer x = m.buffer(), y = m.buffer(), bias = m.columns(1);
  time_on_device(state, 2 * m.bytes(), [&] {
    gelu_forward_cuda({x.data(), bias.floats(), y.data(), static_cast<Gelu>(state.range(3))},
                      m.dims, m.dtype, kStream);
  });
}
void bm_gelu_backward(benchmark::State& state) {
  const Matrix m(state);
  const DeviceBuffer x = m.buffer(), dy = m.buffer(), dx = m.buffer(), bias = m.columns(2);
  const DeviceBuffer scratch(static_cast<int64_t>(gelu_workspace_bytes_cuda(m.dims)), Dtype::kU8);
  time_on_device(state, 3 * m.bytes(), [&] {
    gelu_backward_cuda({.dy = dy.data(),
                        .x = x.data(),
                        .bias = bias.floats(),
                        .dx = {dx.data()},
                        .dbias = {bias.floats() + m.dims.cols},
                        .kind = static_cast<Gelu>(state.range(3))},
                       m.dims, m.dtype, {scratch.data(), scratch.bytes()}, kStream);
  });
}
void gelu_sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "cols", "dtype", "kind"})->UseManualTime();
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    for (const Gelu kind : {Gelu::kErf, Gelu::kTanh, Gelu::kQuick}) {
      bench->Args({kVitRows, 3072, static_cast<int64_t>(dtype), static_cast<int64_t>(kind)});
    }
  }
}
BENCHMARK(bm_gelu_forward)->Name("gelu_forward/cuda")->Apply(gelu_sizes);
BENCHMARK(bm_gelu_backward)->Name("gelu_backward/cuda")->Apply(gelu_sizes);

void bm_softmax_forward(benchmark::State& state) {
  const Matrix m(state);
  const DeviceBuffer x = m.buffer(), y = m.buffer();
  time_on_device(state, 2 * m.bytes(),
                 [&] { softmax_forward_cuda(x.data(), y.data(), m.dims, m.dtype, kStream); });
}
BENCHMARK(bm_softmax_forward)->Name("softmax_forward/cuda")->Apply(vit_sizes);

// ---- pools ----

void bm_max_pool2d(benchmark::State& state) {
  const auto dtype = static_cast<Dtype>(state.range(0));
  const Pool2dDims d{.n = 512, .h = 112, .w = 112, .c = 64, .kernel = 3, .stride = 2, .padding = 1};
  const int64_t inputs = d.n * d.h * d.w * d.c, outputs = d.n * d.p() * d.q() * d.c;
  const DeviceBuffer x(inputs, dtype), y(outputs, dtype), argmax(outputs, Dtype::kU8);
  time_on_device(state, static_cast<int64_t>(x.bytes() + y.bytes() + argmax.bytes()), [&] {
    max_pool2d_forward_cuda(d, x.data(), y.data(), static_cast<uint8_t*>(argmax.data()), dtype,
                            kStream);
  });
}
void bm_max_pool2d_backward(benchmark::State& state) {
  const auto dtype = static_cast<Dtype>(state.range(0));
  const Pool2dDims d{.n = 512, .h = 112, .w = 112, .c = 64, .kernel = 3, .stride = 2, .padding = 1};
  const int64_t inputs = d.n * d.h * d.w * d.c, outputs = d.n * d.p() * d.q() * d.c;
  const DeviceBuffer dx(inputs, dtype), dy(outputs, dtype), argmax(outputs, Dtype::kU8);
  time_on_device(state, static_cast<int64_t>(dx.bytes() + dy.bytes() + argmax.bytes()), [&] {
    max_pool2d_backward_cuda(d, dy.data(), static_cast<const uint8_t*>(argmax.data()), {dx.data()},
                             dtype, kStream);
  });
}
void bm_global_avg_pool(benchmark::State& state) {
  const auto dtype = static_cast<Dtype>(state.range(0));
  const GlobalPoolDims d{.n = 512, .pixels = 49, .c = 2048};
  const DeviceBuffer x(d.n * d.pixels * d.c, dtype), y(d.n * d.c, dtype);
  time_on_device(state, static_cast<int64_t>(x.bytes() + y.bytes()),
                 [&] { global_avg_pool_forward_cuda(d, x.data(), y.data(), dtype, kStream); });
}
void both_dtypes(benchmark::internal::Benchmark* bench) {
  bench->ArgName("dtype")->UseManualTime();
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) bench->Arg(static_cast<int64_t>(dtype));
}
BENCHMARK(bm_max_pool2d)->Name("max_pool2d_forward/cuda")->Apply(both_dtypes);
BENCHMARK(bm_max_pool2d_backward)->Name("max_pool2d_backward/cuda")->Apply(both_dtypes);
BENCHMARK(bm_global_avg_pool)->Name("global_avg_pool_forward/cuda")->Apply(both_dtypes);

}  // namespace
}  // namespace rela
