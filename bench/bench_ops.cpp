// Every differentiable op at the sizes of real steps: the cases that tests/kernels/cases/ marks for
// benchmarks, as <op>_<pass>/cpu/<variant>/dtype:<dtype>. Ops run as in training, on the tape,
// which costs a microsecond. Each row gives its share of the limit that binds it: the multiply-add
// peak where the pass multiplies matrices, else the bandwidth of a copy.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "roof.h"
#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"

namespace rela {
namespace {

using test::OpCase;
using test::OpInput;
using test::OpPass;

/// A thousand different numbers in [low, high), over and over.
Tensor filled(const OpInput& input, Dtype dtype) {
  const auto value = [&](int64_t i) {
    return input.low + (input.high - input.low) * static_cast<double>(i * 2654435761 % 1000) / 1000;
  };
  if (input.role == test::Role::kLabels) {
    Tensor labels = Tensor::empty(input.shape, Dtype::kI64);
    for (int64_t i = 0; i < labels.numel(); ++i)
      labels.data<int64_t>()[i] = static_cast<int64_t>(value(i));
    return labels;
  }
  Tensor values = Tensor::empty(input.shape, Dtype::kF32);
  for (int64_t i = 0; i < values.numel(); ++i)
    values.data<float>()[i] = static_cast<float>(value(i));
  return input.role == test::Role::kParameter ? values : cast(Var(values), dtype).value();
}

/// The inputs of a case, of which a pass trains all or one.
struct Inputs {
  Inputs(const OpCase& c, const OpPass& pass, Dtype run_dtype)
      : op_case(c), trained(pass.trained), dtype(run_dtype) {
    for (const OpInput& input : c.inputs) values.push_back(filled(input, dtype));
    for (size_t i = 0; i < values.size(); ++i) vars.push_back(input_on_tape(i));
  }
  Var input_on_tape(size_t i) const {
    const OpInput& input = op_case.inputs[i];
    const bool is_trained = trained == OpPass::kAllInputs || trained == static_cast<int64_t>(i);
    return is_trained && input.is_trained
               ? test::trained_input(input, values[i], dtype, [](const Tensor&) {})
               : test::constant_input(input, values[i], dtype);
  }
  /// Undoes what backward() does to the inputs.
  void renew() {
    for (size_t i = 0; i < vars.size(); ++i) {
      if (op_case.inputs[i].role == test::Role::kParameter) {
        zero_grad(vars[i]);
      } else {
        vars[i] = input_on_tape(i);
      }
    }
  }

  const OpCase& op_case;
  int64_t trained;
  Dtype dtype;
  std::vector<Tensor> values;
  std::vector<Var> vars;
};

void time_forward(benchmark::State& state, const Inputs& in) {
  for (auto _ : state) benchmark::DoNotOptimize(in.op_case.product(in.vars));
}

void time_backward(benchmark::State& state, Inputs& in, RoofShare& share) {
  share.pause();
  Tensor dy;
  for (auto _ : state) {
    const Var y = in.op_case.product(in.vars);
    if (!dy.defined()) dy = cast(Var(Tensor::full(y.shape(), 0.5f)), y.dtype()).value();
    share.resume();
    backward(y, dy);
    state.SetIterationTime(share.pause());
    in.renew();
  }
}

bool is_forward(const OpPass& pass) { return pass.name == "forward"; }

void time_pass(benchmark::State& state, const OpCase& c, const OpPass& pass, Dtype dtype) {
  Inputs in(c, pass, dtype);
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

void register_case(const OpCase& c, Dtype dtype) {
  const std::string variant = c.name.substr(c.op().size());
  for (const OpPass& pass : c.passes(static_cast<double>(dtype_bytes(dtype)))) {
    const std::string name =
        c.op() + "_" + pass.name + "/cpu" + variant + "/dtype:" + dtype_name(dtype);
    auto* row = benchmark::RegisterBenchmark(
        name.c_str(), [=](benchmark::State& state) { time_pass(state, c, pass, dtype); });
    row->MinTime(0.1)->Unit(benchmark::kMicrosecond);
    if (is_forward(pass)) {
      row->UseRealTime();
    } else {
      row->UseManualTime();
    }
  }
}

const bool kRegistered = [] {
  for (const OpCase& c : test::op_cases(test::CaseUse::kBenchmark)) {
    for (const Dtype dtype : c.dtypes) register_case(c, dtype);
  }
  return true;
}();

}  // namespace
}  // namespace rela
