// oneDNN inner products.

#include "kernels/matmul/linear.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/cpu_features.h"
#include "kernels/dnnl/plan.h"
#include "kernels/parallel.h"
#include "kernels/plan_cache.h"

namespace rela {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

struct PlanKey {
  LinearProblem problem;
  LinearPass pass = LinearPass::kForward;
  int threads = 1;
  auto operator<=>(const PlanKey&) const = default;
};

struct Descs {
  memory::desc x, w, b, y;
};

Descs descs(const LinearProblem& p, Dtype type, Dtype w_type, Tag w_tag) {
  const LinearDims& d = p.dims;
  const bool has_bias = p.bias == Bias::kPresent;
  return {{{d.n, d.d}, dnnl_type(type), Tag::ab},
          {{d.k, d.d}, dnnl_type(w_type), w_tag},
          has_bias ? memory::desc{{d.k}, memory::data_type::f32, Tag::a} : memory::desc{},
          {{d.n, d.k}, dnnl_type(type), Tag::ab}};
}

dnnl::inner_product_forward::primitive_desc forward_desc(const Descs& want) {
  return {{dnnl::prop_kind::forward_training, want.x, want.w, want.b, want.y},
          user_scratchpad(),
          dnnl_engine()};
}

std::unique_ptr<DnnlPlan> forward_plan(const Descs& have, const Descs& want) {
  const auto pd = forward_desc(want);
  std::vector<DnnlArgument> inputs{{DNNL_ARG_SRC, have.x, pd.src_desc()},
                                   {DNNL_ARG_WEIGHTS, have.w, pd.weights_desc()}};
  if (have.b.dims().size() == 1) inputs.push_back({DNNL_ARG_BIAS, have.b, pd.bias_desc()});
  return std::make_unique<DnnlPlan>(dnnl::inner_product_forward(pd), pd.scratchpad_desc(), inputs,
                                    DnnlArgument{DNNL_ARG_DST, have.y, pd.dst_desc()});
}

std::unique_ptr<DnnlPlan> backward_data_plan(const Descs& have, const Descs& want) {
  const dnnl::inner_product_backward_data::primitive_desc pd(
      {want.x, want.w, want.y}, user_scratchpad(), dnnl_engine(), forward_desc(want));
  return std::make_unique<DnnlPlan>(
      dnnl::inner_product_backward_data(pd), pd.scratchpad_desc(),
      std::vector<DnnlArgument>{{DNNL_ARG_DIFF_DST, have.y, pd.diff_dst_desc()},
                                {DNNL_ARG_WEIGHTS, have.w, pd.weights_desc()}},
      DnnlArgument{DNNL_ARG_DIFF_SRC, have.x, pd.diff_src_desc()});
}

std::unique_ptr<DnnlPlan> backward_weights_plan(const Descs& have, const Descs& want,
                                                const Descs& hint) {
  const dnnl::inner_product_backward_weights::primitive_desc pd(
      {want.x, want.w, want.y}, user_scratchpad(), dnnl_engine(), forward_desc(hint));
  return std::make_unique<DnnlPlan>(
      dnnl::inner_product_backward_weights(pd), pd.scratchpad_desc(),
      std::vector<DnnlArgument>{{DNNL_ARG_SRC, have.x, pd.src_desc()},
                                {DNNL_ARG_DIFF_DST, have.y, pd.diff_dst_desc()}},
      DnnlArgument{DNNL_ARG_DIFF_WEIGHTS, have.w, pd.diff_weights_desc()});
}

std::unique_ptr<DnnlPlan> make_plan(const PlanKey& key) {
  LinearProblem p = key.problem;
  if (key.pass != LinearPass::kForward)
    p.bias = Bias::kAbsent;  // its gradient is a loop of its own
  const Dtype compute = p.dtype == Dtype::kBf16 && cpu_has_bf16() ? Dtype::kBf16 : Dtype::kF32;
  // Weights stay as they are, except where a reorder measured faster (bench_linear): f32 forward.
  const bool reorder_pays = key.pass == LinearPass::kForward && compute == Dtype::kF32;
  const Descs want = descs(p, compute, compute, reorder_pays ? Tag::any : Tag::ab);
  switch (key.pass) {
    case LinearPass::kForward:
      return forward_plan(descs(p, p.dtype, p.weight_dtype, Tag::ab), want);
    case LinearPass::kBackwardData:
      return backward_data_plan(descs(p, p.dtype, p.weight_dtype, Tag::ab), want);
    case LinearPass::kBackwardWeights:
      return backward_weights_plan(descs(p, p.dtype, Dtype::kF32, Tag::ab),
                                   descs(p, compute, Dtype::kF32, Tag::ab), want);
  }
  return nullptr;
}

const DnnlPlan& plan_for(const LinearProblem& problem, LinearPass pass) {
  static PlanCache<PlanKey, DnnlPlan> cache;
  dnnl_stream();  // sets the number of threads that plans are cut for
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
  if (is_empty(problem.dims)) return 0;
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

void linear_backward_bias_cpu(const LinearProblem& problem, const void* dy, GradOut db, Stream) {
  if (problem.dtype == Dtype::kBf16) {
    bias_gradient(problem.dims, static_cast<const Bf16*>(dy), db);
  } else {
    bias_gradient(problem.dims, static_cast<const float*>(dy), db);
  }
}

}  // namespace rela
