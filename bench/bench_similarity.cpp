#include <benchmark/benchmark.h>
#include <dnnl.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/norm/l2_normalize.h"
#include "kernels/random/random_stream.h"
#include "kernels/similarity/top_k.h"
#include "product_sizes.h"
#include "roof.h"

namespace rela {
namespace {

std::vector<float> unit_rows(int64_t rows, int64_t width, uint64_t seed) {
  RandomStream random({.seed = seed, .op = RandomOp::kSynthetic});
  std::vector<float> x(rows * width);
  for (float& v : x) v = random.normal();
  l2_normalize_rows_cpu(x.data(), x.data(), {rows, width}, Stream{});
  return x;
}

TopKDims dims_of(const benchmark::State& state) {
  return {state.range(0), state.range(1), state.range(2), state.range(3)};
}

void top_k_similarity(benchmark::State& state) {
  const TopKDims d = dims_of(state);
  const auto x = unit_rows(d.queries, d.width, 1);
  const auto y = unit_rows(d.candidates, d.width, 2);
  std::vector<float> values(d.queries * d.k);
  std::vector<int64_t> indices(d.queries * d.k);
  const size_t bytes = top_k_similarity_workspace_bytes_cpu(d);
  const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(64, bytes),
                                                           &std::free);
  const RoofShare share;
  for (auto _ : state) {
    top_k_similarity_cpu(x.data(), y.data(), {values.data(), indices.data()}, d,
                         {memory.get(), bytes}, Stream{});
    benchmark::ClobberMemory();
  }
  share.of_peak(state, flops_of(d));
  state.counters["extra_bytes"] = static_cast<double>(bytes);  // beside rows and results
}

/// The cost of the similarities alone: the library's matrix product into a small [N, 1024] buffer,
/// repeated over y. It selects nothing.
void bare_product(benchmark::State& state) {
  const TopKDims d = dims_of(state);
  constexpr int64_t kColumns = 1024;
  const auto x = unit_rows(d.queries, d.width, 1);
  const auto y = unit_rows(d.candidates, d.width, 2);
  std::vector<float> s(d.queries * kColumns);
  const RoofShare share;
  for (auto _ : state) {
    for (int64_t m = 0; m < d.candidates; m += kColumns) {
      const int64_t columns = std::min(kColumns, d.candidates - m);
      dnnl_sgemm('N', 'T', d.queries, columns, d.width, 1.0f, x.data(), d.width,
                 y.data() + m * d.width, d.width, 0.0f, s.data(), kColumns);
    }
    benchmark::ClobberMemory();
  }
  share.of_peak(state, flops_of(d));
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"n", "m", "d", "k"})->Unit(benchmark::kMillisecond)->UseRealTime();
  bench->Args({1000, 60000, 128, 200});
  bench->Args({1000, 60000, 512, 200});
  bench->Args({10000, 60000, 784, 200});  // kNN of Fashion-MNIST's raw pixels
  const TopKDims& d = kCifar10Knn;
  bench->Args({d.queries, d.candidates, d.width, d.k});
}

BENCHMARK(top_k_similarity)->Name("top_k_similarity/cpu")->Apply(shapes);
BENCHMARK(bare_product)->Name("top_k_similarity_bare_product/cpu")->Apply(shapes);

}  // namespace
}  // namespace rela
