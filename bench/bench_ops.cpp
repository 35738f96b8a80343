// Every differentiable op on the CPU at the sizes of real steps: the cases that
// tests/kernels/cases/ marks for benchmarks. Ops run as in training, on the tape, which costs a
// microsecond. Each row gives its share of the limit that binds it: the multiply-add peak where the
// pass multiplies matrices, else the bandwidth of a copy.

#include <benchmark/benchmark.h>

#include "op_inputs.h"
#include "roof.h"

namespace rela {
namespace {

using test::OpCase;
using test::OpPass;

void time_forward(benchmark::State& state, const OpInputs& in) {
  for (auto _ : state) benchmark::DoNotOptimize(in.output());
}

void time_backward(benchmark::State& state, OpInputs& in, RoofShare& share) {
  share.pause();
  Tensor dy;
  for (auto _ : state) {
    const Var y = in.output();
    if (!dy.defined()) dy = cotangent(y);
    share.resume();
    backward(y, dy);
    state.SetIterationTime(share.pause());
    in.renew();
  }
}

void time_pass(benchmark::State& state, const OpCase& c, const OpPass& pass, test::OpRun run) {
  OpInputs in(c, pass, run);
  RoofShare share;
  if (is_forward(pass)) {
    time_forward(state, in);
  } else {
    time_backward(state, in, share);
  }
  if (pass.flops > 0) {
    share.of_peak(state, pass.flops);
  } else {
    share.of_copy(state, pass.bytes);
  }
}

const bool kRegistered = [] {
  for_each_row(test::CaseUse::kBenchmark, Device::kCpu,
               [](const std::string& name, const OpCase& c, const OpPass& pass, test::OpRun run) {
                 auto* row = benchmark::RegisterBenchmark(
                     name.c_str(),
                     [=](benchmark::State& state) { time_pass(state, c, pass, run); });
                 row->MinTime(0.1)->Unit(benchmark::kMicrosecond);
                 if (is_forward(pass)) {
                   row->UseRealTime();
                 } else {
                   row->UseManualTime();
                 }
               });
  return true;
}();

}  // namespace
}  // namespace rela
