// oneDNN convolutions on NHWC activations, and the choice between them and own kernels. oneDNN's
// direct algorithm works in place; its Winograd wants blocks of 16 channels, and its plan reorders
// activations on the way in and out.

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/conv/conv2d.h"
#include "kernels/conv/weight_gradient_bf16.h"
#include "kernels/cpu_features.h"
#include "kernels/dnnl/plan.h"
#include "kernels/parallel.h"
#include "kernels/plan_cache.h"

namespace rela {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using Tag = memory::format_tag;

struct PlanKey {
  Conv2dProblem problem;
  Conv2dPass pass = Conv2dPass::kForward;
  int threads = 1;
  auto operator<=>(const PlanKey&) const = default;
};

/// How a plan computes: which algorithm, and in which type.
struct Method {
  algorithm kind = algorithm::convolution_direct;
  Dtype compute = Dtype::kF32;
};

memory::dims x_dims(const Conv2dDims& d) { return {d.n, d.c, d.h, d.w}; }
memory::dims w_dims(const Conv2dDims& d) { return {d.k, d.c, d.r, d.s}; }
memory::dims y_dims(const Conv2dDims& d) { return {d.n, d.k, d.p(), d.q()}; }

/// The part of the 4 x 4 output tiles that lies in the image.
double winograd_fill(const Conv2dDims& d) {
  const auto tiles = [](int64_t size) { return (size + 3) / 4; };
  return static_cast<double>(d.p() * d.q()) / static_cast<double>(16 * tiles(d.p()) * tiles(d.q()));
}

/// Reorders cost as much for few channels as they do for many, Winograd saves the more the more
/// there are. Thresholds are where bench_conv's two curves cross; bf16 competes at twice the rate.
bool winograd_pays(const Conv2dDims& d, Dtype dtype, Conv2dPass pass) {
  const int64_t channels = std::min(d.c, d.k), pixels = d.p() * d.q();
  if (dtype == Dtype::kF32) return channels >= 32 && winograd_fill(d) > 0.5;
  if (winograd_fill(d) < 0.9) return false;
  if (pixels > 4 * 4) return channels >= 128;
  return channels >= 256 && pass == Conv2dPass::kBackwardWeights;
}

bool wants_winograd(const Conv2dProblem& problem, Conv2dPass pass) {
  const Conv2dDims& d = problem.dims;
  const bool has_winograd = d.r == 3 && d.s == 3 && d.stride == 1;
  if (problem.algorithm != Conv2dAlgorithm::kAuto || !has_winograd)
    return has_winograd && problem.algorithm == Conv2dAlgorithm::kWinograd;
  return winograd_pays(d, problem.dtype, pass);
}

bool has_own_weight_gradient(const Conv2dProblem& problem) {
  return weight_gradient_bf16_fits(problem) &&
         !wants_winograd(problem, Conv2dPass::kBackwardWeights);
}

/// oneDNN's bf16 weight gradient of strided windows runs at 70-200 GFLOP/s, below f32's 160-190
/// with conversions included. One by one filters have no windows.
bool bf16_pays(const Conv2dDims& d, Conv2dPass pass) {
  const bool strided_windows = d.stride > 1 && d.r * d.s > 1;
  return cpu_has_bf16() && !(pass == Conv2dPass::kBackwardWeights && strided_windows);
}

/// Best first; the last always exists.
std::vector<Method> candidates(const PlanKey& key) {
  std::vector<Method> methods;
  if (wants_winograd(key.problem, key.pass)) {
    methods.push_back({.kind = algorithm::convolution_winograd});
  }
  if (key.problem.dtype == Dtype::kBf16 && bf16_pays(key.problem.dims, key.pass))
    methods.push_back({.compute = Dtype::kBf16});
  methods.push_back({});
  return methods;
}

/// oneDNN 2.6's strided 1x1 kernels gather the pixels that count into a buffer, whole vectors at a
/// time, and for NHWC images of channels that fill no vector that buffer is too small. Blocked
/// images have their channels padded.
bool overruns_gathered_pixels(const Conv2dDims& d) {
  constexpr int64_t kVectorElements = 16;  // of the widest vectors
  return d.r == 1 && d.s == 1 && d.stride > 1 && d.c % kVectorElements != 0;
}

/// The three tensors as one primitive wants them: activations in place for the direct algorithm.
struct Descs {
  memory::desc x, w, y;
};
Descs wanted_descs(const Conv2dProblem& p, Conv2dPass pass, Method method) {
  const bool in_place =
      method.kind == algorithm::convolution_direct && !overruns_gathered_pixels(p.dims);
  const Tag activations = in_place ? Tag::nhwc : Tag::any;
  const auto type = dnnl_type(method.compute);
  const auto w_type = pass == Conv2dPass::kBackwardWeights ? memory::data_type::f32 : type;
  return {{x_dims(p.dims), type, activations},
          {w_dims(p.dims), w_type, Tag::any},
          {y_dims(p.dims), type, activations}};
}
Descs given_descs(const Conv2dProblem& p, Conv2dPass pass) {
  const bool is_gradient = pass == Conv2dPass::kBackwardWeights;
  return {{x_dims(p.dims), dnnl_type(p.dtype), Tag::nhwc},
          {w_dims(p.dims), dnnl_type(is_gradient ? Dtype::kF32 : p.weight_dtype), Tag::ohwi},
          {y_dims(p.dims), dnnl_type(p.dtype), Tag::nhwc}};
}

struct Geometry {
  memory::dims strides, before, after;
};
Geometry geometry(const Conv2dDims& d) {
  // Rows and columns that no window reaches are cut off by a smaller padding after.
  const auto after = [&](int64_t out, int64_t in, int64_t filter) {
    return (out - 1) * d.stride + filter - in - d.padding;
  };
  return {{d.stride, d.stride},
          {d.padding, d.padding},
          {after(d.p(), d.h, d.r), after(d.q(), d.w, d.s)}};
}

dnnl::convolution_forward::primitive_desc forward_desc(const Descs& want, Method method,
                                                       const Geometry& g) {
  return {{dnnl::prop_kind::forward_training, method.kind, want.x, want.w, want.y, g.strides,
           g.before, g.after},
          user_scratchpad(),
          dnnl_engine()};
}

std::unique_ptr<DnnlPlan> make_plan(const PlanKey& key, Method method) {
  const Conv2dProblem& p = key.problem;
  const Descs want = wanted_descs(p, key.pass, method);
  const Descs have = given_descs(p, key.pass);
  const Geometry g = geometry(p.dims);
  switch (key.pass) {
    case Conv2dPass::kForward: {
      const auto pd = forward_desc(want, method, g);
      return std::make_unique<DnnlPlan>(
          dnnl::convolution_forward(pd), pd.scratchpad_desc(),
          std::vector<DnnlArgument>{{DNNL_ARG_SRC, have.x, pd.src_desc()},
                                    {DNNL_ARG_WEIGHTS, have.w, pd.weights_desc()}},
          DnnlArgument{DNNL_ARG_DST, have.y, pd.dst_desc()});
    }
    case Conv2dPass::kBackwardData: {
      const dnnl::convolution_backward_data::primitive_desc pd(
          {method.kind, want.x, want.w, want.y, g.strides, g.before, g.after}, user_scratchpad(),
          dnnl_engine(), forward_desc(want, method, g));
      return std::make_unique<DnnlPlan>(
          dnnl::convolution_backward_data(pd), pd.scratchpad_desc(),
          std::vector<DnnlArgument>{{DNNL_ARG_DIFF_DST, have.y, pd.diff_dst_desc()},
                                    {DNNL_ARG_WEIGHTS, have.w, pd.weights_desc()}},
          DnnlArgument{DNNL_ARG_DIFF_SRC, have.x, pd.diff_src_desc()});
    }
    case Conv2dPass::kBackwardWeights: {
      Descs hint = want;  // the forward pass has its weights in the type of the activations
      hint.w = {w_dims(p.dims), dnnl_type(method.compute), Tag::any};
      const dnnl::convolution_backward_weights::primitive_desc pd(
          {method.kind, want.x, want.w, want.y, g.strides, g.before, g.after}, user_scratchpad(),
          dnnl_engine(), forward_desc(hint, method, g));
      return std::make_unique<DnnlPlan>(
          dnnl::convolution_backward_weights(pd), pd.scratchpad_desc(),
          std::vector<DnnlArgument>{{DNNL_ARG_SRC, have.x, pd.src_desc()},
                                    {DNNL_ARG_DIFF_DST, have.y, pd.diff_dst_desc()}},
          DnnlArgument{DNNL_ARG_DIFF_WEIGHTS, have.w, pd.diff_weights_desc()});
    }
  }
  return nullptr;
}

std::unique_ptr<DnnlPlan> make_best_plan(const PlanKey& key) {
  const std::vector<Method> methods = candidates(key);
  for (size_t i = 0; i + 1 < methods.size(); ++i) {
    try {
      return make_plan(key, methods[i]);
    } catch (const dnnl::error&) {
      continue;  // this CPU or shape lacks the method
    }
  }
  return make_plan(key, methods.back());
}

const DnnlPlan& plan_for(const Conv2dProblem& problem, Conv2dPass pass) {
  static PlanCache<PlanKey, DnnlPlan> cache;
  dnnl_stream();  // sets the number of threads that plans are cut for
  return cache.get({problem, pass, cpu_threads()}, make_best_plan);
}

}  // namespace

size_t conv2d_workspace_bytes_cpu(const Conv2dProblem& problem, Conv2dPass pass, Write mode) {
  if (problem.dims.n == 0) return 0;
  if (pass == Conv2dPass::kBackwardWeights && has_own_weight_gradient(problem))
    return weight_gradient_bf16_workspace_bytes(problem.dims);
  return plan_for(problem, pass).workspace_bytes(mode);
}

void conv2d_forward_cpu(const Conv2dProblem& problem, const void* x, const void* w, void* y,
                        Workspace workspace, Stream) {
  if (problem.dims.n == 0) return;
  plan_for(problem, Conv2dPass::kForward)
      .run(std::array{x, w}, {.data = y, .mode = Write::kOverwrite}, workspace);
}

void conv2d_backward_data_cpu(const Conv2dProblem& problem, const void* dy, const void* w,
                              GradOut dx, Workspace workspace, Stream) {
  if (problem.dims.n == 0) return;
  plan_for(problem, Conv2dPass::kBackwardData).run(std::array{dy, w}, dx, workspace);
}

void conv2d_backward_weights_cpu(const Conv2dProblem& problem, const void* x, const void* dy,
                                 GradOut dw, Workspace workspace, Stream) {
  const Conv2dDims& d = problem.dims;
  if (d.n == 0) {
    const size_t count = static_cast<size_t>(d.k * d.r * d.s * d.c);
    if (dw.mode == Write::kOverwrite) std::memset(dw.data, 0, count * sizeof(float));
    return;
  }
  if (has_own_weight_gradient(problem)) {
    weight_gradient_bf16(d, static_cast<const Bf16*>(x), static_cast<const Bf16*>(dy), dw,
                         workspace);
    return;
  }
  plan_for(problem, Conv2dPass::kBackwardWeights).run(std::array{x, dy}, dw, workspace);
}

}  // namespace rela
