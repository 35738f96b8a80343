// conv2d at the shapes of ResNet-18 with the CIFAR stem: c channels at hw x hw for width 64, and
// the same for width 16. The flops counter is nominal: padding counts, and Winograd does fewer.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "kernels/conv/conv2d.h"
#include "roof.h"
#include "runtime/tensor.h"

namespace rela {
namespace {

const char* pass_name(Conv2dPass pass) {
  switch (pass) {
    case Conv2dPass::kForward:
      return "conv2d_forward";
    case Conv2dPass::kBackwardData:
      return "conv2d_backward_data";
    case Conv2dPass::kBackwardWeights:
      return "conv2d_backward_weights";
  }
  return "?";
}

const char* algorithm_name(Conv2dAlgorithm algorithm) {
  return algorithm == Conv2dAlgorithm::kWinograd ? "winograd"
         : algorithm == Conv2dAlgorithm::kDirect ? "direct"
                                                 : "auto";
}

void run_conv2d(benchmark::State& state, const Conv2dProblem& problem, Conv2dPass pass) {
  const Conv2dDims& d = problem.dims;
  Tensor x = Tensor::zeros({d.n, d.h, d.w, d.c}, problem.dtype);
  Tensor y = Tensor::zeros({d.n, d.p(), d.q(), d.k}, problem.dtype);
  Tensor w = Tensor::zeros({d.k, d.r, d.s, d.c}, problem.weight_dtype);
  Tensor dw = Tensor::zeros({d.k, d.r, d.s, d.c}, Dtype::kF32);
  Scratch scratch(conv2d_workspace_bytes_cpu(problem, pass, Write::kOverwrite), Device::kCpu);
  const RoofShare share;
  for (auto _ : state) {
    switch (pass) {
      case Conv2dPass::kForward:
        conv2d_forward_cpu(problem, x.raw(), w.raw(), y.raw(), scratch.workspace(), {});
        break;
      case Conv2dPass::kBackwardData:
        conv2d_backward_data_cpu(problem, y.raw(), w.raw(), {.data = x.raw()}, scratch.workspace(),
                                 {});
        break;
      case Conv2dPass::kBackwardWeights:
        conv2d_backward_weights_cpu(problem, x.raw(), y.raw(), {.data = dw.raw()},
                                    scratch.workspace(), {});
        break;
    }
  }
  share.of_peak(state, d.flops());
}

void register_conv2d(const Conv2dProblem& problem, Conv2dPass pass) {
  const Conv2dDims& d = problem.dims;
  const std::string name =
      std::string(pass_name(pass)) + "/cpu/n:" + std::to_string(d.n) + "/c:" + std::to_string(d.c) +
      "/k:" + std::to_string(d.k) + "/hw:" + std::to_string(d.h) + "/rs:" + std::to_string(d.r) +
      "/stride:" + std::to_string(d.stride) + "/dtype:" + dtype_name(problem.dtype) +
      "/algorithm:" + algorithm_name(problem.algorithm);
  benchmark::RegisterBenchmark(name.c_str(), run_conv2d, problem, pass)
      ->UseRealTime()
      ->MinTime(0.1)
      ->Unit(benchmark::kMillisecond);
}

/// The different layers of one ResNet-18 for 32 x 32 images.
std::vector<Conv2dDims> resnet18_layers(int64_t n, int64_t width) {
  std::vector<Conv2dDims> layers = {
      {.n = n, .h = 32, .w = 32, .c = 3, .k = width, .r = 3, .s = 3, .padding = 1}};
  for (int64_t stage = 0; stage < 4; ++stage) {
    const int64_t hw = 32 >> stage, c = width << stage;
    layers.push_back({.n = n, .h = hw, .w = hw, .c = c, .k = c, .r = 3, .s = 3, .padding = 1});
    if (stage == 3) break;
    layers.push_back(
        {.n = n, .h = hw, .w = hw, .c = c, .k = 2 * c, .r = 3, .s = 3, .stride = 2, .padding = 1});
    layers.push_back({.n = n, .h = hw, .w = hw, .c = c, .k = 2 * c, .stride = 2});
  }
  return layers;
}

const bool kRegistered = [] {
  std::vector<Conv2dDims> layers = resnet18_layers(64, 64);
  for (const Conv2dDims& d : resnet18_layers(128, 16)) layers.push_back(d);
  for (const Conv2dPass pass :
       {Conv2dPass::kForward, Conv2dPass::kBackwardData, Conv2dPass::kBackwardWeights}) {
    for (const Conv2dDims& d : layers) {
      for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
        const Conv2dProblem problem{.dims = d, .dtype = dtype, .weight_dtype = dtype};
        register_conv2d(problem, pass);
        if (dtype != Dtype::kF32 || d.r != 3 || d.stride != 1) continue;
        for (const auto algorithm : {Conv2dAlgorithm::kDirect, Conv2dAlgorithm::kWinograd}) {
          Conv2dProblem chosen = problem;
          chosen.algorithm = algorithm;
          register_conv2d(chosen, pass);
        }
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace rela
