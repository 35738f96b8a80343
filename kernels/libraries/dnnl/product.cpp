#include "kernels/libraries/dnnl/product.h"

#include <omp.h>

#include "kernels/libraries/dnnl/primitive_descs.h"

namespace rela {
namespace {

using dnnl::memory;

/// While it lives, oneDNN makes and runs primitives for the calling thread alone. Take
/// dnnl_stream() first: it sets threads.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

dnnl::primitive_attr attributes_for(Write mode) {
  dnnl::primitive_attr attributes = user_scratchpad();
  if (mode == Write::kAccumulate) {
    dnnl::post_ops sum;
    sum.append_sum();
    attributes.set_post_ops(sum);
  }
  return attributes;
}

memory::format_tag tag_of(DnnlProductSpec::Layout layout) {
  return layout == DnnlProductSpec::Layout::kRows ? memory::format_tag::ab : memory::format_tag::ba;
}

}  // namespace

struct DnnlProduct::Impl {
  explicit Impl(const DnnlProductSpec& spec);

  memory::desc a, b_given, b_packed, bias, c, scratchpad;
  dnnl::matmul primitive;
  dnnl::reorder pack;
};

DnnlProduct::Impl::Impl(const DnnlProductSpec& spec)
    : a({spec.m, spec.k}, dnnl_type(spec.dtype), tag_of(spec.a)),
      b_given({spec.k, spec.n}, dnnl_type(spec.b_given), tag_of(spec.b)),
      c({spec.m, spec.n}, memory::data_type::f32, memory::format_tag::ab) {
  const OneThread one;
  const bool packs = spec.b_use == DnnlProductSpec::Operand::kPacked;
  const memory::desc b({spec.k, spec.n}, dnnl_type(spec.dtype),
                       packs ? memory::format_tag::any : tag_of(spec.b));
  if (spec.bias) bias = {{1, spec.n}, memory::data_type::f32, memory::format_tag::ab};
  const dnnl::matmul::primitive_desc pd =
      matmul_desc({.x = a, .w = b, .b = bias, .y = c}, attributes_for(spec.mode));
  primitive = dnnl::matmul(pd);
  b_packed = pd.weights_desc();
  scratchpad = pd.scratchpad_desc();
  pack = dnnl::reorder(dnnl::reorder::primitive_desc(dnnl_engine(), b_given, dnnl_engine(),
                                                     b_packed, user_scratchpad()));
}

DnnlProduct::DnnlProduct(const DnnlProductSpec& spec) : impl_(std::make_unique<const Impl>(spec)) {}
DnnlProduct::~DnnlProduct() = default;

size_t DnnlProduct::packed_bytes() const { return impl_->b_packed.get_size(); }
size_t DnnlProduct::scratch_bytes() const { return impl_->scratchpad.get_size(); }

void DnnlProduct::pack(const void* b, void* packed) const {
  dnnl::stream& stream = dnnl_stream();
  const OneThread one;
  memory from = dnnl_memory(impl_->b_given, b), to = dnnl_memory(impl_->b_packed, packed);
  impl_->pack.execute(stream, from, to);
}

void DnnlProduct::run(const Operands& operands, void* scratch) const {
  dnnl::stream& stream = dnnl_stream();
  const OneThread one;
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, dnnl_memory(impl_->a, operands.a)},
      {DNNL_ARG_WEIGHTS, dnnl_memory(impl_->b_packed, operands.b)},
      {DNNL_ARG_DST, dnnl_memory(impl_->c, operands.c)},
      {DNNL_ARG_SCRATCHPAD, dnnl_memory(impl_->scratchpad, scratch)}};
  if (operands.bias != nullptr)
    arguments.emplace(DNNL_ARG_BIAS, dnnl_memory(impl_->bias, operands.bias));
  impl_->primitive.execute(stream, arguments);
}

}  // namespace rela
