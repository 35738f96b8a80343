// The choice between oneDNN's convolutions, direct and Winograd in f32 and bf16, and the built-in
// ones.

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "kernels/conv/conv2d.h"
#include "kernels/conv/weight_gradient_bf16.h"
#include "kernels/cpu/features.h"
#include "kernels/cpu/parallel.h"
#include "kernels/libraries/dnnl/convolution.h"
#include "kernels/libraries/dnnl/library.h"
#include "kernels/libraries/plan_cache.h"

namespace rela {
namespace {

using PlanKey = PassOnThreads<Conv2dProblem, Conv2dPass>;

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
  const bool has_winograd = d.r == 3 && d.s == 3 && d.stride == 1 && dnnl_has_winograd();
  if (problem.algorithm != Conv2dAlgorithm::kAuto || !has_winograd)
    return has_winograd && problem.algorithm == Conv2dAlgorithm::kWinograd;
  return winograd_pays(d, problem.dtype, pass);
}

bool uses_weight_gradient_bf16(const Conv2dProblem& problem) {
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
std::vector<DnnlConvolutionMethod> candidates(const PlanKey& key) {
  std::vector<DnnlConvolutionMethod> methods;
  if (wants_winograd(key.problem, key.pass)) {
    methods.push_back({.algorithm = Conv2dAlgorithm::kWinograd});
  }
  if (key.problem.dtype == Dtype::kBf16 && bf16_pays(key.problem.dims, key.pass))
    methods.push_back({.compute = Dtype::kBf16});
  methods.push_back({});
  return methods;
}

std::unique_ptr<DnnlPlan> make_plan(const PlanKey& key) {
  return make_dnnl_convolution(key.problem, key.pass, candidates(key));
}

const DnnlPlan& plan_for(const Conv2dProblem& problem, Conv2dPass pass) {
  static PlanCache<PlanKey, DnnlPlan> cache;
  dnnl_use_cpu_threads();
  return cache.get({problem, pass, cpu_threads()}, make_plan);
}

}  // namespace

size_t conv2d_workspace_bytes_cpu(const Conv2dProblem& problem, Conv2dPass pass, Write mode) {
  if (problem.dims.n == 0) return 0;
  if (pass == Conv2dPass::kBackwardWeights && uses_weight_gradient_bf16(problem))
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
  if (uses_weight_gradient_bf16(problem)) {
    weight_gradient_bf16(d, static_cast<const Bf16*>(x), static_cast<const Bf16*>(dy), dw,
                         workspace);
    return;
  }
  plan_for(problem, Conv2dPass::kBackwardWeights).run(std::array{x, dy}, dw, workspace);
}

}  // namespace rela
