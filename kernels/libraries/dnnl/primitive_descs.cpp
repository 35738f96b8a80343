#include "kernels/libraries/dnnl/primitive_descs.h"

namespace rela {
namespace {

using dnnl::memory;

// The difference of the versions, all of it: 2 takes an operation's descriptor, then attributes and
// engine; 3 takes the engine, then what the descriptor held, then attributes. A gradient also takes
// the descriptor of its forward pass.
#if DNNL_VERSION_MAJOR >= 3

memory::dims dims_of(const memory::desc& desc) { return desc.get_dims(); }
memory::data_type type_of(const memory::desc& desc) { return desc.get_data_type(); }

template <class Primitive, class... What>
typename Primitive::primitive_desc make(const dnnl::primitive_attr& attributes,
                                        const What&... what) {
  return {dnnl_engine(), what..., attributes};
}
template <class Primitive, class Hint, class... What>
typename Primitive::primitive_desc make_gradient(const Hint& hint, const What&... what) {
  return {dnnl_engine(), what..., hint, user_scratchpad()};
}

#else

memory::dims dims_of(const memory::desc& desc) { return desc.dims(); }
memory::data_type type_of(const memory::desc& desc) { return desc.data_type(); }

template <class Primitive, class... What>
typename Primitive::primitive_desc make(const dnnl::primitive_attr& attributes,
                                        const What&... what) {
  return {typename Primitive::desc(what...), attributes, dnnl_engine()};
}
template <class Primitive, class Hint, class... What>
typename Primitive::primitive_desc make_gradient(const Hint& hint, const What&... what) {
  return {typename Primitive::desc(what...), user_scratchpad(), dnnl_engine(), hint};
}

#endif

}  // namespace

DnnlConvolutionForward convolution_forward_desc(dnnl::algorithm kind, const DnnlDescs& want,
                                                const DnnlGeometry& geometry) {
  return make<dnnl::convolution_forward>(user_scratchpad(), dnnl::prop_kind::forward_training, kind,
                                         want.x, want.w, want.y, geometry.strides, geometry.before,
                                         geometry.after);
}

DnnlConvolutionBackwardData convolution_backward_data_desc(dnnl::algorithm kind,
                                                           const DnnlDescs& want,
                                                           const DnnlGeometry& geometry,
                                                           const DnnlConvolutionForward& hint) {
  return make_gradient<dnnl::convolution_backward_data>(
      hint, kind, want.x, want.w, want.y, geometry.strides, geometry.before, geometry.after);
}

DnnlConvolutionBackwardWeights convolution_backward_weights_desc(
    dnnl::algorithm kind, const DnnlDescs& want, const DnnlGeometry& geometry,
    const DnnlConvolutionForward& hint) {
  return make_gradient<dnnl::convolution_backward_weights>(
      hint, kind, want.x, want.w, want.y, geometry.strides, geometry.before, geometry.after);
}

DnnlInnerProductForward inner_product_forward_desc(const DnnlDescs& want) {
  constexpr auto kKind = dnnl::prop_kind::forward_training;
  if (is_empty(want.b))
    return make<dnnl::inner_product_forward>(user_scratchpad(), kKind, want.x, want.w, want.y);
  return make<dnnl::inner_product_forward>(user_scratchpad(), kKind, want.x, want.w, want.b,
                                           want.y);
}

DnnlInnerProductBackwardData inner_product_backward_data_desc(const DnnlDescs& want,
                                                              const DnnlInnerProductForward& hint) {
  return make_gradient<dnnl::inner_product_backward_data>(hint, want.x, want.w, want.y);
}

DnnlInnerProductBackwardWeights inner_product_backward_weights_desc(
    const DnnlDescs& want, const DnnlInnerProductForward& hint) {
  return make_gradient<dnnl::inner_product_backward_weights>(hint, want.x, want.w, want.y);
}

dnnl::matmul::primitive_desc matmul_desc(const DnnlDescs& want,
                                         const dnnl::primitive_attr& attributes) {
  if (is_empty(want.b)) return make<dnnl::matmul>(attributes, want.x, want.w, want.y);
  return make<dnnl::matmul>(attributes, want.x, want.w, want.b, want.y);
}

bool is_empty(const memory::desc& desc) { return dims_of(desc).empty(); }

int64_t element_count(const memory::desc& desc) {
  int64_t count = 1;
  for (const int64_t size : dims_of(desc)) count *= size;
  return count;
}

bool is_bf16(const memory::desc& desc) { return type_of(desc) == memory::data_type::bf16; }

}  // namespace rela
