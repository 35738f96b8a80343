#pragma once
// One list of cases for all differentiable operations: each op of runtime/ops/ops.h beside an
// oracle in double precision. The same case checks the oracle's own backward against finite
// differences, and the op's forward and backward against the oracle, in every storage type,
// overwriting and accumulating.

#include <functional>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "runtime/tape.h"
#include "tests/support/array.h"

namespace rela::test {

enum class Role : uint8_t {
  kActivation,  // held in the dtype of the run, and so is its gradient
  kParameter,   // held in f32, with a copy in the dtype of the run; its gradient is f32
};

struct OpInput {
  Role role = Role::kActivation;
  Shape shape;
  double low = -1;  // values are uniform in [low, high)
  double high = 1;
};

struct OpCase {
  /// "op" or "op/variant", op as declared in runtime/ops/ops.h.
  std::string name;
  std::vector<OpInput> inputs;

  /// The op under test.
  std::function<Var(std::span<const Var> in)> product;
  /// The same function in double, written as plainly as possible.
  std::function<Array(std::span<const Array> in)> forward;
  /// Gradients of sum(dy * forward(in)), one per input.
  std::function<std::vector<Array>(std::span<const Array> in, const Array& dy)> backward;

  int64_t reduction = 1;  // the most terms that one element of the output or of a gradient sums
  double slack = 1;       // multiplies the f32 tolerance; give the reason beside it
  int roundings = 1;  // how often a 16-bit run rounds on the way to a result, the result included
  std::vector<Dtype> dtypes = {Dtype::kF32, Dtype::kBf16};

  std::string op() const { return name.substr(0, name.find('/')); }
};
std::ostream& operator<<(std::ostream& out, const OpCase& c);

/// In what, and where, a case is run.
struct OpRun {
  Dtype dtype = Dtype::kF32;
  Device device = Device::kCpu;
};
std::ostream& operator<<(std::ostream& out, const OpRun& run);  // "bf16 on cuda"

/// Each of these is empty when the case passes, and otherwise says what failed and where.
///
/// The oracle's backward against central differences of its forward along random directions, with a
/// random cotangent: agreement to 1e-7.
std::string check_oracle(const OpCase& c);
/// The op against the oracle: forward, and backward with all inputs trained and with each input
/// trained alone. Fresh memory holds NaN, so an element that nobody writes is seen.
std::string check_op(const OpCase& c, OpRun run);
/// The op used twice on the same inputs: the second gradient must add to the first.
std::string check_op_accumulates(const OpCase& c, OpRun run);

/// Names of the functions declared in a header as "Var name(": the ops that need a case.
std::vector<std::string> declared_ops(const std::string& header_text);

}  // namespace rela::test
