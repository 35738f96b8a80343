#pragma once
// The cases of tests/kernels/cases/ as benchmarks: their rows, and what an op is timed on.

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"

namespace rela {

/// A thousand different numbers in [low, high), over and over.
inline Tensor filled(const test::OpInput& input, Dtype dtype, Device device) {
  const int64_t total = input.shape.numel(), period = std::min<int64_t>(1000, total);
  const bool is_labels = input.role == test::Role::kLabels;
  Tensor values = Tensor::empty({period}, is_labels ? Dtype::kI64 : Dtype::kF32);
  for (int64_t i = 0; i < period; ++i) {
    const double value =
        input.low + (input.high - input.low) * static_cast<double>(i * 2654435761 % 1000) / 1000;
    if (is_labels) {
      values.data<int64_t>()[i] = static_cast<int64_t>(value);
    } else {
      values.data<float>()[i] = static_cast<float>(value);
    }
  }
  values = values.to(device);
  if (input.role == test::Role::kActivation) values = cast(Var(values), dtype).value();
  Tensor all = Tensor::empty({total}, values.dtype(), device);
  all.segment(0, {period}).copy_from(values);
  for (int64_t done = period; done < total;) {
    const int64_t more = std::min(done, total - done);
    all.segment(done, {more}).copy_from(all.segment(0, {more}));
    done += more;
  }
  return all.view(input.shape);
}

/// The inputs of a case, of which a pass trains all or one.
struct OpInputs {
  OpInputs(const test::OpCase& c, const test::OpPass& pass, test::OpRun run)
      : op_case(c), trained(pass.trained), dtype(run.dtype) {
    for (const test::OpInput& input : c.inputs)
      values.push_back(filled(input, run.dtype, run.device));
    for (size_t i = 0; i < values.size(); ++i) vars.push_back(input_on_tape(i));
  }
  Var input_on_tape(size_t i) const {
    const test::OpInput& input = op_case.inputs[i];
    const bool is_trained =
        trained == test::OpPass::kAllInputs || trained == static_cast<int64_t>(i);
    return is_trained && input.is_trained
               ? test::trained_input(input, values[i], dtype, [](const Tensor&) {})
               : test::constant_input(input, values[i], dtype);
  }
  Var output() const { return op_case.product(vars); }
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

  const test::OpCase& op_case;
  int64_t trained;
  Dtype dtype;
  std::vector<Tensor> values;
  std::vector<Var> vars;
};

/// The gradient of an output.
inline Tensor cotangent(const Var& y) {
  return cast(Var(Tensor::full(y.shape(), 0.5f, y.value().device())), y.dtype()).value();
}

inline bool is_forward(const test::OpPass& pass) { return pass.name == "forward"; }

/// Calls `take` for every pass of every case in each of its types, with the name of its row:
/// <op>_<pass>/<device>/<variant>/dtype:<dtype>.
using TakeRow = std::function<void(const std::string& name, const test::OpCase& c,
                                   const test::OpPass& pass, test::OpRun run)>;
inline void for_each_row(test::CaseUse use, Device device, const TakeRow& take) {
  for (const test::OpCase& c : test::op_cases(use)) {
    const std::string variant = c.name.substr(c.op().size());
    for (const Dtype dtype : c.dtypes) {
      for (const test::OpPass& pass : c.passes(static_cast<double>(dtype_bytes(dtype)))) {
        take(c.op() + "_" + pass.name + "/" + device_name(device) + variant +
                 "/dtype:" + dtype_name(dtype),
             c, pass, {dtype, device});
      }
    }
  }
}

}  // namespace rela
