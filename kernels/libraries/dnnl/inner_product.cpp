#include "kernels/libraries/dnnl/inner_product.h"

#include "kernels/libraries/dnnl/primitive_descs.h"
#include "kernels/libraries/dnnl/primitive_plan.h"

namespace rela {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

DnnlDescs descs(const LinearProblem& p, Dtype type, Dtype w_type, Tag w_tag) {
  const LinearDims& d = p.dims;
  const bool has_bias = p.bias == Bias::kPresent;
  return {.x = {{d.n, d.d}, dnnl_type(type), Tag::ab},
          .w = {{d.k, d.d}, dnnl_type(w_type), w_tag},
          .b = has_bias ? memory::desc{{d.k}, memory::data_type::f32, Tag::a} : memory::desc{},
          .y = {{d.n, d.k}, dnnl_type(type), Tag::ab}};
}

std::unique_ptr<DnnlPlan> forward_plan(const DnnlDescs& have, const DnnlDescs& want) {
  const auto pd = inner_product_forward_desc(want);
  std::vector<DnnlArgument> inputs{{DNNL_ARG_SRC, have.x, pd.src_desc()},
                                   {DNNL_ARG_WEIGHTS, have.w, pd.weights_desc()}};
  if (!is_empty(have.b)) inputs.push_back({DNNL_ARG_BIAS, have.b, pd.bias_desc()});
  return std::make_unique<DnnlPrimitivePlan>(dnnl::inner_product_forward(pd), pd.scratchpad_desc(),
                                             inputs,
                                             DnnlArgument{DNNL_ARG_DST, have.y, pd.dst_desc()});
}

std::unique_ptr<DnnlPlan> backward_data_plan(const DnnlDescs& have, const DnnlDescs& want) {
  const auto pd = inner_product_backward_data_desc(want, inner_product_forward_desc(want));
  return std::make_unique<DnnlPrimitivePlan>(
      dnnl::inner_product_backward_data(pd), pd.scratchpad_desc(),
      std::vector<DnnlArgument>{{DNNL_ARG_DIFF_DST, have.y, pd.diff_dst_desc()},
                                {DNNL_ARG_WEIGHTS, have.w, pd.weights_desc()}},
      DnnlArgument{DNNL_ARG_DIFF_SRC, have.x, pd.diff_src_desc()});
}

std::unique_ptr<DnnlPlan> backward_weights_plan(const DnnlDescs& have, const DnnlDescs& want,
                                                const DnnlDescs& hint) {
  const auto pd = inner_product_backward_weights_desc(want, inner_product_forward_desc(hint));
  return std::make_unique<DnnlPrimitivePlan>(
      dnnl::inner_product_backward_weights(pd), pd.scratchpad_desc(),
      std::vector<DnnlArgument>{{DNNL_ARG_SRC, have.x, pd.src_desc()},
                                {DNNL_ARG_DIFF_DST, have.y, pd.diff_dst_desc()}},
      DnnlArgument{DNNL_ARG_DIFF_WEIGHTS, have.w, pd.diff_weights_desc()});
}

}  // namespace

std::unique_ptr<DnnlPlan> make_dnnl_inner_product(const LinearProblem& problem, LinearPass pass,
                                                  const DnnlInnerProductMethod& method) {
  LinearProblem p = problem;
  if (pass != LinearPass::kForward) p.bias = Bias::kAbsent;
  const Dtype compute = method.compute;
  const DnnlDescs want = descs(p, compute, compute, method.reorders_weights ? Tag::any : Tag::ab);
  switch (pass) {
    case LinearPass::kForward:
      return forward_plan(descs(p, p.dtype, p.weight_dtype, Tag::ab), want);
    case LinearPass::kBackwardData:
      return backward_data_plan(descs(p, p.dtype, p.weight_dtype, Tag::ab), want);
    case LinearPass::kBackwardWeights:
      return backward_weights_plan(descs(p, p.dtype, Dtype::kF32, Tag::ab),
                                   descs(p, compute, Dtype::kF32, Tag::ab), want);
    case LinearPass::kBackwardBias:
      break;  // no product
  }
  return nullptr;
}

}  // namespace rela
