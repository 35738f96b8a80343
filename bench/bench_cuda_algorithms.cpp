// Ops with several algorithms on a GPU, each algorithm by itself: both of those for products
// (kernels/libraries/tuning/product_algorithm.h), and attention's kernel beside cuDNN's.

#include <algorithm>

#include "cuda_timing.h"
#include "kernels/gram/gram_algorithms_cuda.h"
#include "kernels/libraries/cudnn/attention.h"
#include "kernels/libraries/tuning/product_algorithm.h"
#include "kernels/similarity/top_k_algorithms_cuda.h"
#include "kernels/transport/transport_algorithms_cuda.h"
#include "product_sizes.h"
#include "tests/kernels/op_cases.h"

namespace rela {
namespace {

Tensor f32_memory(const Shape& shape) { return Tensor::empty(shape, Dtype::kF32, Device::kCuda); }
/// For sums in f64.
Tensor f64_memory(int64_t elements) {
  return Tensor::zeros({elements * static_cast<int64_t>(sizeof(double))}, Dtype::kU8,
                       Device::kCuda);
}
double* doubles(Tensor& memory) { return static_cast<double*>(memory.raw()); }

std::string part(const char* key, int64_t value) { return key + std::to_string(value); }

template <class Time>
void register_algorithms(const std::string& op, const std::string& size, Dtype dtype, Time time) {
  for (const ProductAlgorithm algorithm : kProductAlgorithms) {
    const bool is_tiled = algorithm == ProductAlgorithm::kTiled;
    register_on_cuda(op + "/cuda" + size + "/algorithm:" + (is_tiled ? "tiled" : "fused") +
                         "/dtype:" + dtype_name(dtype),
                     [=](benchmark::State& state) { time(state, is_tiled); });
  }
}

void time_top_k(benchmark::State& state, const TopKDims& d, bool is_tiled) {
  const Tensor x = random_values({d.queries, d.width}, d.dtype);
  const Tensor y = random_values({d.candidates, d.width}, d.dtype);
  Tensor values = f32_memory({d.queries, d.k});
  Tensor indices = Tensor::empty({d.queries, d.k}, Dtype::kI64, Device::kCuda);
  const TopKOutput out{values.ptr<float>(), indices.ptr<int64_t>()};
  Scratch scratch(is_tiled ? top_k_similarity_tiled_workspace_bytes_cuda(d)
                           : top_k_similarity_fused_workspace_bytes_cuda(d),
                  Device::kCuda);
  const Stream stream = cuda_compute_stream();
  time_on_device(state, [&] {
    if (is_tiled) {
      top_k_similarity_tiled_cuda({x.raw(), y.raw()}, out, d, scratch.workspace(), stream);
    } else {
      top_k_similarity_fused_cuda(x.raw(), y.raw(), out, d, scratch.workspace(), stream);
    }
  });
  count(state, static_cast<double>(x.bytes() + y.bytes()), flops_of(d));
}
/// kNN of CIFAR-10, and all its training images against each other.
void register_top_k(Dtype dtype) {
  TopKDims knn = kCifar10Knn;
  if (kEmulated) knn = {.queries = 70, .candidates = 300, .width = 64, .k = 20};
  knn.dtype = dtype;
  TopKDims all = knn;
  all.queries = all.candidates;
  for (const TopKDims& d : {knn, all}) {
    const std::string size = part("/n:", d.queries) + part("/m:", d.candidates) +
                             part("/d:", d.width) + part("/k:", d.k);
    register_algorithms("top_k_similarity", size, dtype,
                        [=](benchmark::State& state, bool tiled) { time_top_k(state, d, tiled); });
  }
}

void time_gram(benchmark::State& state, const GramDims& d, Dtype dtype, bool is_tiled) {
  const Tensor x = random_values({d.rows, d.p}, dtype), y = random_values({d.rows, d.q}, dtype);
  const int64_t columns = d.columns();
  const Tensor shift = Tensor::zeros({columns}, Dtype::kF32, Device::kCuda);
  Tensor column_sums = f64_memory(columns), gram = f64_memory(columns * columns);
  Scratch scratch(std::max(gram_columns_workspace_bytes_cuda(d),
                           is_tiled ? gram_products_tiled_workspace_bytes_cuda(d, dtype)
                                    : gram_products_fused_workspace_bytes_cuda(d)),
                  Device::kCuda);
  const GramInputs in{x.raw(), y.raw(), dtype, shift.ptr<float>()};
  const GramProducts to{doubles(column_sums), doubles(gram)};
  const Stream stream = cuda_compute_stream();
  time_on_device(state, [&] {
    gram_columns_cuda(in, {.gram = to.gram}, d, doubles(column_sums), scratch.workspace(), stream);
    if (is_tiled) {
      gram_products_tiled_cuda(in, to, d, scratch.workspace(), stream);
    } else {
      gram_products_fused_cuda(in, to, d, scratch.workspace(), stream);
    }
  });
  // Two per pair of the lower half.
  count(state, static_cast<double>(x.bytes() + y.bytes()),
        static_cast<double>(d.rows * columns * (columns + 1)));
}
/// The moments of 50,000 images' features by two models.
void register_gram(Dtype dtype) {
  const GramDims d = kEmulated ? GramDims{.rows = 300, .p = 40, .q = 24}
                               : GramDims{.rows = 50000, .p = 512, .q = 512};
  register_algorithms(
      "gram", part("/rows:", d.rows) + part("/p:", d.p) + part("/q:", d.q), dtype,
      [=](benchmark::State& state, bool tiled) { time_gram(state, d, dtype, tiled); });
}

void time_transport(benchmark::State& state, const TransportDims& d, Dtype dtype, bool is_tiled) {
  const TransportProblem problem{.dims = d, .dtype = dtype, .weight_dtype = dtype};
  const Tensor h = random_values({d.rows, d.width}, dtype);
  const Tensor w = random_values({d.outputs, d.width}, dtype);
  const Tensor y = random_values({d.targets, d.outputs}, Dtype::kF32);
  Tensor loss = f32_memory({}), dh = f32_memory(h.shape());
  const TransportInputs in{.h = h.raw(), .w = w.raw(), .y = y.ptr<float>()};
  const TransportOutputs out{.loss = loss.ptr<float>(), .dh = dh.ptr<float>()};
  Scratch scratch(is_tiled ? transport_loss_tiled_workspace_bytes_cuda(problem, out)
                           : transport_loss_fused_workspace_bytes_cuda(problem, out),
                  Device::kCuda);
  const Stream stream = cuda_compute_stream();
  time_on_device(state, [&] {
    if (is_tiled) {
      transport_loss_tiled_cuda(problem, in, out, scratch.workspace(), stream);
    } else {
      transport_loss_fused_cuda(problem, in, out, scratch.workspace(), stream);
    }
  });
  count(state, static_cast<double>(h.bytes() + w.bytes() + y.bytes() + dh.bytes()), flops_of(d));
}
/// A ReLA step of ResNet-18 and of ResNet-50.
void register_transport(Dtype dtype) {
  for (const int64_t width : {512, 2048}) {
    const TransportDims d = test::transport_step(kEmulated ? width / 16 : width);
    register_algorithms(
        "transport_loss", part("/rows:", d.rows) + part("/d:", d.width) + part("/k:", d.outputs),
        dtype,
        [=](benchmark::State& state, bool tiled) { time_transport(state, d, dtype, tiled); });
  }
}

/// Attention forward by the built-in kernel, or by the library.
void time_attention(benchmark::State& state, const AttentionDims& d, Dtype dtype, bool by_library) {
  const AttentionCall call{d, dtype};
  if (by_library && !has_library_attention(call))
    return state.SkipWithError("cuDNN has no plan for it");
  const Tensor qkv = random_values({d.images, d.tokens, 3, d.heads, d.width}, dtype);
  Tensor y = Tensor::empty({d.images, d.tokens, d.heads, d.width}, dtype, Device::kCuda);
  Tensor lse = f32_memory({d.images, d.heads, d.tokens});
  const AttentionForwardArgs args{qkv.raw(), y.raw(), lse.ptr<float>()};
  Scratch scratch(by_library ? library_attention_workspace_bytes(call) : 0, Device::kCuda);
  const Stream stream = cuda_compute_stream();
  time_on_device(state, [&] {
    if (by_library) {
      library_attention(call, args, scratch.workspace(), stream);
    } else {
      attention_forward_kernel_cuda(args, d, dtype, stream);
    }
  });
  const test::OpPass forward =
      test::attention_passes(d, static_cast<double>(dtype_bytes(dtype))).front();
  count(state, forward.bytes, forward.flops);
}
void register_attention(Dtype dtype) {
  const AttentionDims d = test::vit_attention(kEmulated ? 1 : 256);
  const std::string size = "/cuda" + part("/images:", d.images) + "/dtype:" + dtype_name(dtype);
  register_on_cuda("attention_forward_kernel" + size, [=](benchmark::State& state) {
    time_attention(state, d, dtype, /*by_library=*/false);
  });
  if (dtype == Dtype::kF32) return;  // cuDNN has 16-bit kernels only
  register_on_cuda("attention_forward_cudnn" + size, [=](benchmark::State& state) {
    time_attention(state, d, dtype, /*by_library=*/true);
  });
}

const bool kRegistered = [] {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16, Dtype::kF16}) register_attention(dtype);
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    register_top_k(dtype);
    register_gram(dtype);
    register_transport(dtype);
  }
  return true;
}();

}  // namespace
}  // namespace rela
