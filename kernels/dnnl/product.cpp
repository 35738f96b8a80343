#include "kernels/dnnl/product.h"

#include <omp.h>

#include "kernels/dnnl/plan.h"

namespace rela {
namespace {

using dnnl::memory;

// oneDNN takes pointers to mutable memory for inputs too; it does not write to them.
memory memory_on(const memory::desc& desc, const void* data) {
  return {desc, dnnl_engine(), const_cast<void*>(data)};
}

dnnl::primitive_attr attributes_for(Write mode) {
  dnnl::primitive_attr attributes = user_scratchpad();
  if (mode == Write::kAccumulate) {
    dnnl::post_ops sum;
    sum.append_sum();
    attributes.set_post_ops(sum);
  }
  return attributes;
}

}  // namespace

DnnlOneThread::DnnlOneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
DnnlOneThread::~DnnlOneThread() { omp_set_num_threads(before_); }

DnnlProduct::DnnlProduct(const DnnlProductSpec& spec)
    : a_({spec.m, spec.k}, dnnl_type(spec.dtype), spec.a),
      b_given_({spec.k, spec.n}, dnnl_type(spec.b_given), spec.b),
      c_({spec.m, spec.n}, memory::data_type::f32, memory::format_tag::ab) {
  const DnnlOneThread one;
  const bool packs = spec.b_use == DnnlProductSpec::Operand::kPacked;
  const memory::desc b({spec.k, spec.n}, dnnl_type(spec.dtype),
                       packs ? memory::format_tag::any : spec.b);
  if (spec.bias) bias_ = {{1, spec.n}, memory::data_type::f32, memory::format_tag::ab};
  const dnnl::matmul::desc what =
      spec.bias ? dnnl::matmul::desc(a_, b, bias_, c_) : dnnl::matmul::desc(a_, b, c_);
  const dnnl::matmul::primitive_desc pd(what, attributes_for(spec.mode), dnnl_engine());
  primitive_ = dnnl::matmul(pd);
  b_packed_ = pd.weights_desc();
  scratchpad_ = pd.scratchpad_desc();
  pack_ = dnnl::reorder(dnnl::reorder::primitive_desc(dnnl_engine(), b_given_, dnnl_engine(),
                                                      b_packed_, user_scratchpad()));
}

void DnnlProduct::pack(const void* b, void* packed) const {
  dnnl::stream& stream = dnnl_stream();
  const DnnlOneThread one;
  memory from = memory_on(b_given_, b), to = memory_on(b_packed_, packed);
  pack_.execute(stream, from, to);
}

void DnnlProduct::run(const Operands& operands, void* scratch) const {
  dnnl::stream& stream = dnnl_stream();
  const DnnlOneThread one;
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, memory_on(a_, operands.a)},
                                            {DNNL_ARG_WEIGHTS, memory_on(b_packed_, operands.b)},
                                            {DNNL_ARG_DST, memory_on(c_, operands.c)},
                                            {DNNL_ARG_SCRATCHPAD, memory_on(scratchpad_, scratch)}};
  if (operands.bias != nullptr) arguments.emplace(DNNL_ARG_BIAS, memory_on(bias_, operands.bias));
  primitive_.execute(stream, arguments);
}

}  // namespace rela
