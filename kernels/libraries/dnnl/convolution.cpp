// Convolutions of oneDNN on NHWC activations. The direct algorithm works in place; Winograd wants
// blocks of 16 channels, and its plan reorders activations on the way in and out.

#include "kernels/libraries/dnnl/convolution.h"

#include "kernels/libraries/dnnl/primitive_descs.h"
#include "kernels/libraries/dnnl/primitive_plan.h"

namespace rela {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

memory::dims x_dims(const Conv2dDims& d) { return {d.n, d.c, d.h, d.w}; }
memory::dims w_dims(const Conv2dDims& d) { return {d.k, d.c, d.r, d.s}; }
memory::dims y_dims(const Conv2dDims& d) { return {d.n, d.k, d.p(), d.q()}; }

dnnl::algorithm kind_of(const DnnlConvolutionMethod& method) {
  return method.algorithm == Conv2dAlgorithm::kWinograd ? dnnl::algorithm::convolution_winograd
                                                        : dnnl::algorithm::convolution_direct;
}

/// oneDNN 2.6's strided 1x1 kernels gather the pixels that count into a buffer, whole vectors at a
/// time, and for NHWC images of channels that fill no vector that buffer is too small. Blocked
/// images have their channels padded.
bool overruns_gathered_pixels(const Conv2dDims& d) {
  constexpr int64_t kVectorElements = 16;  // of the widest vectors
  return d.r == 1 && d.s == 1 && d.stride > 1 && d.c % kVectorElements != 0;
}

/// The tensors as a primitive wants them: activations in place for the direct algorithm.
DnnlDescs wanted_descs(const Conv2dProblem& p, Conv2dPass pass,
                       const DnnlConvolutionMethod& method) {
  const bool in_place =
      method.algorithm != Conv2dAlgorithm::kWinograd && !overruns_gathered_pixels(p.dims);
  const Tag activations = in_place ? Tag::nhwc : Tag::any;
  const auto type = dnnl_type(method.compute);
  const auto w_type = pass == Conv2dPass::kBackwardWeights ? memory::data_type::f32 : type;
  return {.x = {x_dims(p.dims), type, activations},
          .w = {w_dims(p.dims), w_type, Tag::any},
          .y = {y_dims(p.dims), type, activations}};
}

DnnlDescs given_descs(const Conv2dProblem& p, Conv2dPass pass) {
  const bool is_gradient = pass == Conv2dPass::kBackwardWeights;
  return {.x = {x_dims(p.dims), dnnl_type(p.dtype), Tag::nhwc},
          .w = {w_dims(p.dims), dnnl_type(is_gradient ? Dtype::kF32 : p.weight_dtype), Tag::ohwi},
          .y = {y_dims(p.dims), dnnl_type(p.dtype), Tag::nhwc}};
}

DnnlGeometry geometry_of(const Conv2dDims& d) {
  // Rows and columns that no window reaches are cut off by a smaller padding after.
  const auto after = [&](int64_t out, int64_t in, int64_t filter) {
    return (out - 1) * d.stride + filter - in - d.padding;
  };
  return {{d.stride, d.stride},
          {d.padding, d.padding},
          {after(d.p(), d.h, d.r), after(d.q(), d.w, d.s)}};
}

std::unique_ptr<DnnlPlan> make_plan(const Conv2dProblem& p, Conv2dPass pass,
                                    const DnnlConvolutionMethod& method) {
  const DnnlDescs want = wanted_descs(p, pass, method);
  const DnnlDescs have = given_descs(p, pass);
  const DnnlGeometry g = geometry_of(p.dims);
  const dnnl::algorithm kind = kind_of(method);
  switch (pass) {
    case Conv2dPass::kForward: {
      const auto pd = convolution_forward_desc(kind, want, g);
      return std::make_unique<DnnlPrimitivePlan>(
          dnnl::convolution_forward(pd), pd.scratchpad_desc(),
          std::vector<DnnlArgument>{{DNNL_ARG_SRC, have.x, pd.src_desc()},
                                    {DNNL_ARG_WEIGHTS, have.w, pd.weights_desc()}},
          DnnlArgument{DNNL_ARG_DST, have.y, pd.dst_desc()});
    }
    case Conv2dPass::kBackwardData: {
      const auto pd =
          convolution_backward_data_desc(kind, want, g, convolution_forward_desc(kind, want, g));
      return std::make_unique<DnnlPrimitivePlan>(
          dnnl::convolution_backward_data(pd), pd.scratchpad_desc(),
          std::vector<DnnlArgument>{{DNNL_ARG_DIFF_DST, have.y, pd.diff_dst_desc()},
                                    {DNNL_ARG_WEIGHTS, have.w, pd.weights_desc()}},
          DnnlArgument{DNNL_ARG_DIFF_SRC, have.x, pd.diff_src_desc()});
    }
    case Conv2dPass::kBackwardWeights: {
      DnnlDescs hint = want;  // the forward pass has its weights in the type of the activations
      hint.w = {w_dims(p.dims), dnnl_type(method.compute), Tag::any};
      const auto pd =
          convolution_backward_weights_desc(kind, want, g, convolution_forward_desc(kind, hint, g));
      return std::make_unique<DnnlPrimitivePlan>(
          dnnl::convolution_backward_weights(pd), pd.scratchpad_desc(),
          std::vector<DnnlArgument>{{DNNL_ARG_SRC, have.x, pd.src_desc()},
                                    {DNNL_ARG_DIFF_DST, have.y, pd.diff_dst_desc()}},
          DnnlArgument{DNNL_ARG_DIFF_WEIGHTS, have.w, pd.diff_weights_desc()});
    }
  }
  return nullptr;
}

bool can_make_winograd() {
  constexpr Conv2dDims kDims{
      .n = 1, .h = 8, .w = 8, .c = 64, .k = 64, .r = 3, .s = 3, .padding = 1};
  try {
    make_plan({.dims = kDims}, Conv2dPass::kForward, {.algorithm = Conv2dAlgorithm::kWinograd});
    return true;
  } catch (const dnnl::error&) {
    return false;
  }
}

}  // namespace

bool dnnl_has_winograd() {
  static const bool has = can_make_winograd();
  return has;
}

std::unique_ptr<DnnlPlan> make_dnnl_convolution(const Conv2dProblem& problem, Conv2dPass pass,
                                                std::span<const DnnlConvolutionMethod> best_first) {
  for (const DnnlConvolutionMethod& method : best_first.first(best_first.size() - 1)) {
    try {
      return make_plan(problem, pass, method);
    } catch (const dnnl::error&) {
      continue;  // this CPU or shape lacks the method
    }
  }
  return make_plan(problem, pass, best_first.back());
}

}  // namespace rela
