// oneDNN inner products.

#include "kernels/matmul/linear.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/cpu/features.h"
#include "kernels/cpu/parallel.h"
#include "kernels/libraries/dnnl/inner_product.h"
#include "kernels/libraries/dnnl/library.h"
#include "kernels/libraries/plan_cache.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

using PlanKey = PassOnThreads<LinearProblem, LinearPass>;

std::unique_ptr<DnnlPlan> make_plan(const PlanKey& key) {
  const Dtype dtype = key.problem.dtype;
  const Dtype compute = dtype == Dtype::kBf16 && cpu_has_bf16() ? Dtype::kBf16 : Dtype::kF32;
  // Weights stay as they are, except where a reorder measured faster (bench_linear): f32 forward.
  const bool reorder_pays = key.pass == LinearPass::kForward && compute == Dtype::kF32;
  return make_dnnl_inner_product(key.problem, key.pass,
                                 {.compute = compute, .reorders_weights = reorder_pays});
}

const DnnlPlan& plan_for(const LinearProblem& problem, LinearPass pass) {
  static PlanCache<PlanKey, DnnlPlan> cache;
  dnnl_use_cpu_threads();
  return cache.get({problem, pass, cpu_threads()}, make_plan);
}

bool is_empty(const LinearDims& d) { return d.n == 0; }

void zero(GradOut out, int64_t count) {
  if (out.mode == Write::kOverwrite) {
    std::memset(out.data, 0, static_cast<size_t>(count) * sizeof(float));
  }
}

/// Each task owns some columns and adds the rows in order.
template <class T>
void bias_gradient(LinearDims d, const T* dy, GradOut out) {
  constexpr int64_t kColumns = 64;
  float* db = static_cast<float*>(out.data);
  parallel_for((d.k + kColumns - 1) / kColumns, [&](int64_t task) {
    const int64_t begin = task * kColumns;
    const int64_t count = std::min(kColumns, d.k - begin);
    std::array<float, kColumns> sum{};
    for (int64_t n = 0; n < d.n; ++n) {
      const T* row = dy + n * d.k + begin;
      for (int64_t i = 0; i < count; ++i) sum[static_cast<size_t>(i)] += to_float(row[i]);
    }
    for (int64_t i = 0; i < count; ++i) {
      const float before = out.mode == Write::kAccumulate ? db[begin + i] : 0.0f;
      db[begin + i] = before + sum[static_cast<size_t>(i)];
    }
  });
}

}  // namespace

size_t linear_workspace_bytes_cpu(const LinearProblem& problem, LinearPass pass, Write mode) {
  if (is_empty(problem.dims) || pass == LinearPass::kBackwardBias) return 0;
  return plan_for(problem, pass).workspace_bytes(mode);
}

void linear_forward_cpu(const LinearProblem& problem, const void* x, LinearWeights weights, void* y,
                        Workspace workspace, Stream) {
  if (is_empty(problem.dims)) return;
  plan_for(problem, LinearPass::kForward)
      .run(std::array<const void*, 3>{x, weights.w, weights.b},
           {.data = y, .mode = Write::kOverwrite}, workspace);
}

void linear_backward_data_cpu(const LinearProblem& problem, const void* dy, const void* w,
                              GradOut dx, Workspace workspace, Stream) {
  if (is_empty(problem.dims)) return;
  plan_for(problem, LinearPass::kBackwardData).run(std::array{dy, w}, dx, workspace);
}

void linear_backward_weights_cpu(const LinearProblem& problem, const void* x, const void* dy,
                                 GradOut dw, Workspace workspace, Stream) {
  if (is_empty(problem.dims)) return zero(dw, problem.dims.k * problem.dims.d);
  plan_for(problem, LinearPass::kBackwardWeights).run(std::array{x, dy}, dw, workspace);
}

void linear_backward_bias_cpu(const LinearProblem& problem, const void* dy, GradOut db, Workspace,
                              Stream) {
  with_cpu_storage_type(problem.dtype, [&]<class T>(T*) {
    bias_gradient(problem.dims, static_cast<const T*>(dy), db);
  });
}

}  // namespace rela
