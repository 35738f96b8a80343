// linear at the shapes of projection and prediction heads.

#include <benchmark/benchmark.h>

#include <string>

#include "kernels/matmul/linear.h"
#include "roof.h"
#include "runtime/tensor.h"

namespace rela {
namespace {

const char* pass_name(LinearPass pass) {
  switch (pass) {
    case LinearPass::kForward:
      return "linear_forward";
    case LinearPass::kBackwardData:
      return "linear_backward_data";
    case LinearPass::kBackwardWeights:
      return "linear_backward_weights";
  }
  return "?";
}

void run_linear(benchmark::State& state, const LinearProblem& problem, LinearPass pass) {
  const LinearDims& d = problem.dims;
  Tensor x = Tensor::zeros({d.n, d.d}, problem.dtype);
  Tensor y = Tensor::zeros({d.n, d.k}, problem.dtype);
  Tensor w = Tensor::zeros({d.k, d.d}, problem.weight_dtype);
  Tensor dw = Tensor::zeros({d.k, d.d}, Dtype::kF32);
  Scratch scratch(linear_workspace_bytes_cpu(problem, pass, Write::kOverwrite), Device::kCpu);
  const RoofShare share;
  for (auto _ : state) {
    switch (pass) {
      case LinearPass::kForward:
        linear_forward_cpu(problem, x.raw(), {.w = w.raw()}, y.raw(), scratch.workspace(), {});
        break;
      case LinearPass::kBackwardData:
        linear_backward_data_cpu(problem, y.raw(), w.raw(), {.data = x.raw()}, scratch.workspace(),
                                 {});
        break;
      case LinearPass::kBackwardWeights:
        linear_backward_weights_cpu(problem, x.raw(), y.raw(), {.data = dw.raw()},
                                    scratch.workspace(), {});
        break;
    }
  }
  share.of_peak(state, 2.0 * static_cast<double>(d.n * d.d * d.k));
}

const bool kRegistered = [] {
  for (const auto pass :
       {LinearPass::kForward, LinearPass::kBackwardData, LinearPass::kBackwardWeights}) {
    for (const LinearDims& d :
         {LinearDims{.n = 128, .d = 512, .k = 1024}, LinearDims{.n = 256, .d = 128, .k = 256},
          LinearDims{.n = 512, .d = 1024, .k = 256}, LinearDims{.n = 1024, .d = 2048, .k = 4096}}) {
      for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
        const std::string name = std::string(pass_name(pass)) + "/cpu/n:" + std::to_string(d.n) +
                                 "/d:" + std::to_string(d.d) + "/k:" + std::to_string(d.k) +
                                 "/dtype:" + dtype_name(dtype);
        const LinearProblem problem{.dims = d, .dtype = dtype, .weight_dtype = dtype};
        benchmark::RegisterBenchmark(name.c_str(), run_linear, problem, pass)
            ->UseRealTime()
            ->MinTime(0.1)
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace rela
