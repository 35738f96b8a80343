// Every differentiable op on a GPU, as bench_ops.cpp does it on the CPU, at the sizes of a GPU's
// steps. bytes_per_second relative to that of `copy`, or flops relative to those of `product`
// (bench_cuda_limits.cpp), is the fraction that an op reaches.

#include "cuda_timing.h"
#include "op_inputs.h"

namespace rela {
namespace {

using test::OpCase;
using test::OpPass;

void time_backward(benchmark::State& state, OpInputs& in) {
  DeviceTimer timer;
  Tensor dy = cotangent(in.output());
  const auto step = [&] {
    const Var y = in.output();
    const double seconds = timer.seconds([&] { backward(y, dy); });
    in.renew();
    return seconds;
  };
  step();  // loads the kernels
  for (auto _ : state) state.SetIterationTime(step());
}

void time_pass(benchmark::State& state, const OpCase& c, const OpPass& pass, test::OpRun run) {
  OpInputs in(c, pass, run);
  if (is_forward(pass)) {
    time_on_device(state, [&] { in.output(); });
  } else {
    time_backward(state, in);
  }
  count(state, pass.bytes, pass.flops);
}

const bool kRegistered = [] {
  // Emulated, they show only that they run.
  const test::CaseUse use = kEmulated ? test::CaseUse::kBenchmark : test::CaseUse::kGpuBenchmark;
  for_each_row(use, Device::kCuda,
               [](const std::string& name, const OpCase& c, const OpPass& pass, test::OpRun run) {
                 register_on_cuda(name,
                                  [=](benchmark::State& state) { time_pass(state, c, pass, run); });
               });
  return true;
}();

}  // namespace
}  // namespace rela
