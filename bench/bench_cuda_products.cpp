// The rate of cuBLASLt's matrix products on a GPU, and our kernels that are bound by products:
// their `flops` relative to that of `product` is the fraction of it that they reach. Each runs with
// both algorithms (kernels/libraries/tuning/product_algorithm.h): `algorithm` 0 is our kernel, 1
// cuBLASLt's tiles.

#include <algorithm>
#include <vector>

#include "cuda_timing.h"
#include "kernels/gram/gram_algorithms_cuda.h"
#include "kernels/libraries/cublas/matmul.h"
#include "kernels/libraries/tuning/product_algorithm.h"
#include "kernels/similarity/top_k_algorithms_cuda.h"
#include "kernels/transport/transport_algorithms_cuda.h"

namespace rela {
namespace {

constexpr Stream kStream{};

DeviceBuffer workspace_of(size_t bytes) { return {static_cast<int64_t>(bytes), Dtype::kU8}; }
Workspace all_of(const DeviceBuffer& buffer) { return {buffer.data(), buffer.bytes()}; }

ProductAlgorithm algorithm_of(const benchmark::State& state) {
  return static_cast<ProductAlgorithm>(state.range(0));
}
void add_algorithms(benchmark::internal::Benchmark* bench, std::vector<int64_t> sizes) {
  sizes.insert(sizes.begin(), 0);
  for (const ProductAlgorithm algorithm : kProductAlgorithms) {
    sizes.front() = static_cast<int64_t>(algorithm);
    bench->Args(sizes);
  }
}

void count_flops(benchmark::State& state, double flops) {
  state.counters["flops"] =
      benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
}

/// [n, n] by [n, n]: large enough to be bound by arithmetic alone.
void bm_product(benchmark::State& state) {
  const int64_t n = state.range(0);
  const auto dtype = static_cast<Dtype>(state.range(1));
  const MatmulCall call{.m = n,
                        .n = n,
                        .k = n,
                        .in = dtype,
                        .out = dtype,
                        .f32_math = static_cast<F32Math>(state.range(2))};
  const DeviceBuffer a(n * n, dtype), b(n * n, dtype), c(n * n, dtype);
  const DeviceBuffer scratch = workspace_of(matmul_workspace_bytes(call));
  time_on_device(state, static_cast<int64_t>(3 * a.bytes()), [&] {
    matmul(call, {.a = a.data(), .b = b.data(), .c = c.data()}, all_of(scratch), kStream);
  });
  count_flops(state, 2.0 * static_cast<double>(n) * static_cast<double>(n * n));
}
void product_kinds(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"n", "dtype", "math"})->UseManualTime();
  const auto add = [&](Dtype dtype, F32Math math) {
    bench->Args({8192, static_cast<int64_t>(dtype), static_cast<int64_t>(math)});
  };
  add(Dtype::kBf16, F32Math::kExact);
  add(Dtype::kF16, F32Math::kExact);
  add(Dtype::kF32, F32Math::kExact);
  add(Dtype::kF32, F32Math::kTf32);
}
BENCHMARK(bm_product)->Name("product")->Apply(product_kinds);

void bm_top_k(benchmark::State& state) {
  const bool is_tiled = algorithm_of(state) == ProductAlgorithm::kTiled;
  const TopKDims d{.queries = state.range(1),
                   .candidates = state.range(2),
                   .width = state.range(3),
                   .k = state.range(4),
                   .dtype = static_cast<Dtype>(state.range(5))};
  const DeviceBuffer x(d.queries * d.width, d.dtype), y(d.candidates * d.width, d.dtype);
  const DeviceBuffer values(d.queries * d.k, Dtype::kF32), indices(d.queries * d.k, Dtype::kI64);
  const TopKOutput out{values.floats(), static_cast<int64_t*>(indices.data())};
  const DeviceBuffer scratch =
      workspace_of(is_tiled ? top_k_similarity_tiled_workspace_bytes_cuda(d)
                            : top_k_similarity_fused_workspace_bytes_cuda(d));
  time_on_device(state, static_cast<int64_t>(x.bytes() + y.bytes()), [&] {
    if (is_tiled) {
      top_k_similarity_tiled_cuda({x.data(), y.data()}, out, d, all_of(scratch), kStream);
    } else {
      top_k_similarity_fused_cuda(x.data(), y.data(), out, d, all_of(scratch), kStream);
    }
  });
  count_flops(state, 2.0 * static_cast<double>(d.queries * d.candidates * d.width));
}
/// A kNN evaluation of CIFAR-10, and all its training images against each other.
void top_k_sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"algorithm", "n", "m", "d", "k", "dtype"})->UseManualTime();
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    add_algorithms(bench, {10000, 50000, 512, 200, static_cast<int64_t>(dtype)});
    add_algorithms(bench, {50000, 50000, 512, 200, static_cast<int64_t>(dtype)});
  }
}
BENCHMARK(bm_top_k)->Name("top_k_similarity/cuda")->Apply(top_k_sizes);

void bm_gram(benchmark::State& state) {
  const bool is_tiled = algorithm_of(state) == ProductAlgorithm::kTiled;
  const GramDims d{.rows = state.range(1), .p = state.range(2), .q = state.range(3)};
  const auto dtype = static_cast<Dtype>(state.range(4));
  const int64_t columns = d.columns();
  const DeviceBuffer x(d.rows * d.p, dtype), y(d.rows * d.q, dtype);
  const DeviceBuffer shift(columns, Dtype::kF32);
  const DeviceBuffer column_sum_memory =
      workspace_of(static_cast<size_t>(columns) * sizeof(double));
  const DeviceBuffer gram = workspace_of(static_cast<size_t>(columns * columns) * sizeof(double));
  const DeviceBuffer scratch =
      workspace_of(std::max(gram_columns_workspace_bytes_cuda(d),
                            is_tiled ? gram_products_tiled_workspace_bytes_cuda(d, dtype)
                                     : gram_products_fused_workspace_bytes_cuda(d)));
  const GramInputs in{x.data(), y.data(), dtype, shift.floats()};
  auto* const column_sums = static_cast<double*>(column_sum_memory.data());
  auto* const sums = static_cast<double*>(gram.data());
  time_on_device(state, static_cast<int64_t>(x.bytes() + y.bytes()), [&] {
    gram_columns_cuda(in, {.gram = sums}, d, column_sums, all_of(scratch), kStream);
    if (is_tiled) {
      gram_products_tiled_cuda(in, {column_sums, sums}, d, all_of(scratch), kStream);
    } else {
      gram_products_fused_cuda(in, {column_sums, sums}, d, all_of(scratch), kStream);
    }
  });
  const auto half = static_cast<double>(d.rows * columns * (columns + 1));
  count_flops(state, half);  // two per pair of the lower half
}
/// The moments of 50,000 images' features by two models.
void gram_sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"algorithm", "rows", "p", "q", "dtype"})->UseManualTime();
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    add_algorithms(bench, {50000, 512, 512, static_cast<int64_t>(dtype)});
  }
}
BENCHMARK(bm_gram)->Name("gram/cuda")->Apply(gram_sizes);

void bm_transport(benchmark::State& state) {
  const bool is_tiled = algorithm_of(state) == ProductAlgorithm::kTiled;
  const TransportProblem problem{.dims = {.rows = state.range(1),
                                          .width = state.range(2),
                                          .outputs = state.range(3),
                                          .targets = state.range(1) / 2},
                                 .dtype = static_cast<Dtype>(state.range(4)),
                                 .weight_dtype = static_cast<Dtype>(state.range(4))};
  const TransportDims& d = problem.dims;
  const DeviceBuffer h(d.rows * d.width, problem.dtype);
  const DeviceBuffer w(d.outputs * d.width, problem.weight_dtype);
  const DeviceBuffer y(d.targets * d.outputs, Dtype::kF32), loss(1, Dtype::kF32);
  const DeviceBuffer dh(d.rows * d.width, Dtype::kF32);
  const TransportOutputs out{.loss = loss.floats(), .dh = dh.floats()};
  const TransportInputs in{.h = h.data(), .w = w.data(), .y = y.floats()};
  const DeviceBuffer scratch =
      workspace_of(is_tiled ? transport_loss_tiled_workspace_bytes_cuda(problem, out)
                            : transport_loss_fused_workspace_bytes_cuda(problem, out));
  time_on_device(state, static_cast<int64_t>(h.bytes() + w.bytes() + y.bytes() + dh.bytes()), [&] {
    if (is_tiled) {
      transport_loss_tiled_cuda(problem, in, out, all_of(scratch), kStream);
    } else {
      transport_loss_fused_cuda(problem, in, out, all_of(scratch), kStream);
    }
  });
  count_flops(state, 4.0 * static_cast<double>(d.rows * d.width * d.outputs));
}
/// A ReLA step of ResNet-18 and of ResNet-50: two views, and a map of the features' width.
void transport_sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"algorithm", "rows", "d", "k", "dtype"})->UseManualTime();
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    add_algorithms(bench, {1024, 512, 512, static_cast<int64_t>(dtype)});
    add_algorithms(bench, {1024, 2048, 2048, static_cast<int64_t>(dtype)});
  }
}
BENCHMARK(bm_transport)->Name("transport_loss/cuda")->Apply(transport_sizes);

}  // namespace
}  // namespace rela
