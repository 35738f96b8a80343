#pragma once
// Descriptors of primitives for oneDNN 2 and 3, which take the same facts in different forms. What
// they make takes its scratch memory from the caller.

#include "kernels/libraries/dnnl/engine.h"

namespace rela {

/// The tensors of a convolution or inner product, or their gradients. `b` is the bias of an inner
/// product, empty where there is none.
struct DnnlDescs {
  dnnl::memory::desc x{}, w{}, b{}, y{};
};

struct DnnlGeometry {
  dnnl::memory::dims strides, before, after;  // `before` and `after`: padding
};

using DnnlConvolutionForward = dnnl::convolution_forward::primitive_desc;
using DnnlConvolutionBackwardData = dnnl::convolution_backward_data::primitive_desc;
using DnnlConvolutionBackwardWeights = dnnl::convolution_backward_weights::primitive_desc;

/// These throw dnnl::error where oneDNN lacks the algorithm for this CPU, shape or type. `hint`:
/// the forward pass that the gradient belongs to.
DnnlConvolutionForward convolution_forward_desc(dnnl::algorithm kind, const DnnlDescs& want,
                                                const DnnlGeometry& geometry);
DnnlConvolutionBackwardData convolution_backward_data_desc(dnnl::algorithm kind,
                                                           const DnnlDescs& want,
                                                           const DnnlGeometry& geometry,
                                                           const DnnlConvolutionForward& hint);
DnnlConvolutionBackwardWeights convolution_backward_weights_desc(
    dnnl::algorithm kind, const DnnlDescs& want, const DnnlGeometry& geometry,
    const DnnlConvolutionForward& hint);

using DnnlInnerProductForward = dnnl::inner_product_forward::primitive_desc;
using DnnlInnerProductBackwardData = dnnl::inner_product_backward_data::primitive_desc;
using DnnlInnerProductBackwardWeights = dnnl::inner_product_backward_weights::primitive_desc;

DnnlInnerProductForward inner_product_forward_desc(const DnnlDescs& want);
DnnlInnerProductBackwardData inner_product_backward_data_desc(const DnnlDescs& want,
                                                              const DnnlInnerProductForward& hint);
DnnlInnerProductBackwardWeights inner_product_backward_weights_desc(
    const DnnlDescs& want, const DnnlInnerProductForward& hint);

/// y = x w (+ b), with `attributes`.
dnnl::matmul::primitive_desc matmul_desc(const DnnlDescs& want,
                                         const dnnl::primitive_attr& attributes);

bool is_empty(const dnnl::memory::desc& desc);
int64_t element_count(const dnnl::memory::desc& desc);
bool is_bf16(const dnnl::memory::desc& desc);

}  // namespace rela
