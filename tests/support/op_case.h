#pragma once
// One list of cases for all differentiable operations: each op of runtime/ops/ops.h with an oracle
// in double precision, and with the memory traffic and arithmetic of its passes. The same case
// checks the oracle's own backward against finite differences, and the op's forward and backward
// against the oracle, in every storage type, overwriting and accumulating. bench/ times the cases
// whose size is that of a real step.

#include <functional>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "runtime/tape.h"
#include "tests/support/array.h"

namespace rela::test {

enum class Role : uint8_t {
  kActivation,  // stored in the dtype of the run, as is its gradient
  kParameter,   // stored in f32, with a copy in the dtype of the run; its gradient is f32
  kLabels,      // i64, whole numbers in [low, high); never trained
};

struct OpInput {
  Role role = Role::kActivation;
  Shape shape;
  double low = -1;  // values are uniform in [low, high)
  double high = 1;
  bool is_trained = true;  // false: targets, labels, running statistics
};

/// One pass over an op, and what it costs.
struct OpPass {
  static constexpr int64_t kAllInputs = -1;

  std::string name;  // "forward", or "backward", with a suffix if it is towards one input alone
  double bytes = 0;  // to and from memory, an array counted once per sweep over it
  double flops = 0;  // multiplications and additions of matrix products; 0: memory binds the pass
  int64_t trained = kAllInputs;  // towards which input a backward pass goes
};
/// "forward" and "backward" of an op that memory binds.
std::vector<OpPass> memory_passes(double forward_bytes, double backward_bytes);

/// Benchmarks have the size of a real step, on a CPU or on a GPU: too large for their oracles.
enum class CaseUse : uint8_t { kTest, kBenchmark, kGpuBenchmark };

struct OpCase {
  /// "op" or "op/variant", op as declared in runtime/ops/ops.h.
  std::string name;
  CaseUse use = CaseUse::kTest;
  std::vector<OpInput> inputs;  // those that are trained come first

  /// The op under test.
  std::function<Var(std::span<const Var> in)> product;
  /// The same function in double, written as plainly as possible.
  std::function<Array(std::span<const Array> in)> forward;
  /// Gradients of sum(dy * forward(in)), one per trained input.
  std::function<std::vector<Array>(std::span<const Array> in, const Array& dy)> backward;

  /// What is timed, "forward" first; `e` is the bytes of an activation's element.
  std::function<std::vector<OpPass>(double e)> passes;

  int64_t reduction = 1;  // the most terms summed in one element of the output or of a gradient
  double slack = 1;       // multiplies the f32 tolerance; comment on the reason
  int roundings = 1;      // how often a 16-bit run rounds up to and including the result
  std::vector<Dtype> dtypes = {Dtype::kF32, Dtype::kBf16};

  std::string op() const { return name.substr(0, name.find('/')); }
};
std::ostream& operator<<(std::ostream& out, const OpCase& c);

/// The dtype and device that a case runs on.
struct OpRun {
  Dtype dtype = Dtype::kF32;
  Device device = Device::kCpu;
};
std::ostream& operator<<(std::ostream& out, const OpRun& run);  // "bf16 on cuda"

/// An input as a training step has it: a parameter is a leaf of the tape, with a copy in the dtype
/// of a 16-bit run; an activation is the output of an op, whose backward gets its gradient.
/// `value`: in the storage that the role asks for.
/// One that is not trained is a constant, with the same copy.
using TakeGradient = std::function<void(const Tensor& gradient)>;
Var trained_input(const OpInput& input, const Tensor& value, Dtype dtype, TakeGradient take);
Var constant_input(const OpInput& input, const Tensor& value, Dtype dtype);

/// Each of these returns empty text if the case passes, else what failed and where.
///
/// Compares the oracle's backward with central differences of its forward along random directions,
/// with a random cotangent: agreement to 1e-7.
std::string check_oracle(const OpCase& c);
/// Compares the op with the oracle: forward, and backward with all inputs trained and with each
/// input trained alone. Fresh memory contains NaN, so an element that is never written is detected,
/// and every block has the requested size, so the emulator and AddressSanitizer detect an access
/// past its end.
std::string check_op(const OpCase& c, OpRun run);
/// The op used twice on the same inputs: the second gradient must add to the first.
std::string check_op_accumulates(const OpCase& c, OpRun run);

/// Names of the functions declared in a header as "Var name(": the ops that need a case.
std::vector<std::string> declared_ops(const std::string& header_text);

}  // namespace rela::test
