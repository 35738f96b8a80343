#pragma once
// One list of cases for all differentiable operations: each op of runtime/ops/ops.h with an oracle
// in double precision. The same case checks the oracle's own backward against finite differences,
// and the op's forward and backward against the oracle, in every storage type, overwriting and
// accumulating.

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

/// Each of these returns empty text if the case passes, else what failed and where.
///
/// Compares the oracle's backward with central differences of its forward along random directions,
/// with a random cotangent: agreement to 1e-7.
std::string check_oracle(const OpCase& c);
/// Compares the op with the oracle: forward, and backward with all inputs trained and with each
/// input trained alone. Fresh memory contains NaN, so an element that is never written is detected.
std::string check_op(const OpCase& c, OpRun run);
/// The op used twice on the same inputs: the second gradient must add to the first.
std::string check_op_accumulates(const OpCase& c, OpRun run);

/// Names of the functions declared in a header as "Var name(": the ops that need a case.
std::vector<std::string> declared_ops(const std::string& header_text);

}  // namespace rela::test
