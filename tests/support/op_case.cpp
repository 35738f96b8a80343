#include "tests/support/op_case.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <ostream>
#include <regex>

#include "runtime/allocator.h"
#include "runtime/cuda.h"
#include "runtime/error.h"
#include "runtime/ops/ops.h"

namespace rela::test {
namespace {

constexpr double kStep = 1e-5;  // of central differences: truncation and rounding are both ~1e-11
constexpr double kDifferenceLimit = 1e-7;
constexpr int kDirections = 3;
constexpr int64_t kAllInputs = OpPass::kAllInputs;

/// Finite differences need inputs without ties and kinks, which rounded values might have.
Array unrounded_array(const OpInput& input, Random& random) {
  Array a(input.shape);
  std::uniform_real_distribution<double> uniform(input.low, input.high);
  for (double& x : a.data) x = uniform(random);
  return a;
}

Array random_labels(const OpInput& input, Random& random) {
  Array a = unrounded_array(input, random);
  for (double& x : a.data) x = std::floor(x);
  return a;
}

std::vector<Array> random_inputs(const OpCase& c, Random& random) {
  std::vector<Array> in;
  for (const OpInput& i : c.inputs) {
    in.push_back(i.role == Role::kLabels ? random_labels(i, random)
                                         : random_array(i.shape, random, i.low, i.high));
  }
  return in;
}

std::vector<Array> unrounded_inputs(const OpCase& c, Random& random) {
  std::vector<Array> in;
  for (const OpInput& i : c.inputs) {
    in.push_back(i.role == Role::kLabels ? random_labels(i, random) : unrounded_array(i, random));
  }
  return in;
}

int64_t count_trained(const OpCase& c) {
  return std::ranges::count_if(c.inputs, [](const OpInput& i) { return i.is_trained; });
}

Tensor stored_input(const OpInput& input, const Array& values, OpRun run) {
  if (input.role != Role::kLabels) {
    return to_tensor(values, input.role == Role::kParameter ? Dtype::kF32 : run.dtype, run.device);
  }
  Tensor labels = Tensor::empty(values.shape, Dtype::kI64);
  std::ranges::copy(values.data, labels.span<int64_t>().begin());
  return labels.to(run.device);
}

/// Cotangents of a scalar are of one sign: their gradients are multiples of each other, and the sum
/// of two must not cancel.
Array random_cotangent(const Shape& shape, Random& random) {
  return random_array(shape, random, shape.numel() == 1 ? 0.25 : -1);
}

double dot(const Array& a, const Array& b) {
  return std::inner_product(a.data.begin(), a.data.end(), b.data.begin(), 0.0);
}

/// While it lives, every block of memory is new, contains NaN, and has the requested size.
class WatchedMemory {
 public:
  explicit WatchedMemory(Device device) : device_(device) {
    allocator_.release_cached();
    allocator_.set_fresh_memory(FreshMemory::kNan);
    allocator_.set_block_sizes(BlockSizes::kExact);
  }
  ~WatchedMemory() {
    allocator_.release_cached();
    allocator_.set_fresh_memory(FreshMemory::kUndefined);
    allocator_.set_block_sizes(BlockSizes::kRounded);
  }
  WatchedMemory(const WatchedMemory&) = delete;
  WatchedMemory& operator=(const WatchedMemory&) = delete;

  /// Throws DeviceError if a kernel wrote outside one of the blocks that are free by now.
  void check() {
    synchronize(device_);
    allocator_.release_cached();
    synchronize(device_);
  }

 private:
  Device device_;
  Allocator& allocator_ = Allocator::of(device_);
};

struct ProductRun {
  Array y;
  std::vector<Array> gradients;  // empty shape [] and no data where none was requested
};

/// Runs the op once per cotangent on the same inputs, and the tape once. `trained` is one input or
/// kAllInputs.
ProductRun run_on_tape(const OpCase& c, OpRun run, std::span<const Array> in,
                       std::span<const Array> dys, int64_t trained) {
  const auto [dtype, device] = run;
  std::vector<Tensor> gradients(in.size());
  std::vector<Var> vars;
  for (size_t i = 0; i < in.size(); ++i) {
    const OpInput& input = c.inputs[i];
    const Tensor value = stored_input(input, in[i], run);
    if (input.is_trained && (trained == kAllInputs || trained == static_cast<int64_t>(i))) {
      const auto keep = [&gradient = gradients[i]](const Tensor& d) { gradient = d.clone(); };
      vars.push_back(trained_input(input, value, dtype, keep));
    } else {
      vars.push_back(constant_input(input, value, dtype));
    }
  }
  std::vector<Var> ys;
  std::vector<Tensor> cotangents;
  for (const Array& dy : dys) {
    ys.push_back(c.product(vars));
    cotangents.push_back(to_tensor(dy, ys.back().dtype(), device));
  }
  ProductRun result{.y = to_array(ys[0].value()), .gradients = std::vector<Array>(in.size())};
  backward(record("join", Tensor::zeros({}, Dtype::kF32, device), ys,
                  [&cotangents](const Tensor&, GradSink& to) {
                    for (size_t i = 0; i < cotangents.size(); ++i) to.give(i, cotangents[i]);
                  }));
  for (size_t i = 0; i < in.size(); ++i) {
    const bool is_leaf = vars[i].requires_grad() && c.inputs[i].role == Role::kParameter;
    if (is_leaf) gradients[i] = parameter_grad(vars[i]);
    if (gradients[i].defined()) result.gradients[i] = to_array(gradients[i]);
  }
  return result;
}

ProductRun run_product(const OpCase& c, OpRun run, std::span<const Array> in,
                       std::span<const Array> dys, int64_t trained) {
  WatchedMemory memory(run.device);
  ProductRun result = run_on_tape(c, run, in, dys, trained);
  memory.check();
  return result;
}

RoundingModel rounding(const OpCase& c, Dtype dtype, int roundings) {
  return {.dtype = dtype, .reduction = c.reduction, .roundings = roundings, .slack = c.slack};
}

std::string check_gradient(const std::string& op, size_t input, const Array& got, const Array& want,
                           RoundingModel model) {
  return difference(cat(op, ": gradient of input ", input), got, want, tolerance_of(model, want));
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const OpCase& c) { return out << c.name; }
std::ostream& operator<<(std::ostream& out, const OpRun& run) {
  return out << dtype_name(run.dtype) << " on " << device_name(run.device);
}

std::vector<OpPass> memory_passes(double forward_bytes, double backward_bytes) {
  return {{.name = "forward", .bytes = forward_bytes},
          {.name = "backward", .bytes = backward_bytes}};
}

Var constant_input(const OpInput& input, const Tensor& value, Dtype dtype) {
  Var constant(value);
  if (input.role == Role::kParameter && dtype != Dtype::kF32) {
    constant.node().compute_copy = cast(Var(value), dtype).value();
  }
  return constant;
}

Var trained_input(const OpInput& input, const Tensor& value, Dtype dtype, TakeGradient take) {
  if (input.role == Role::kParameter) {
    Var parameter = make_parameter(value);
    parameter.node().compute_copy = constant_input(input, value, dtype).node().compute_copy;
    return parameter;
  }
  const Var anchor = make_parameter(Tensor::zeros({1}, Dtype::kF32, value.device()));
  return record("input", value, {anchor},
                [take = std::move(take)](const Tensor& dy, GradSink&) { take(dy); });
}

std::string check_oracle(const OpCase& c) {
  Random random(1);
  std::vector<Array> in = unrounded_inputs(c, random);
  const Array dy = random_array(c.forward(in).shape, random);
  const std::vector<Array> gradients = c.backward(in, dy);
  std::string failures;
  for (size_t i = 0; i < gradients.size(); ++i) {
    for (int direction_index = 0; direction_index < kDirections; ++direction_index) {
      const Array direction = random_array(in[i].shape, random);
      const auto loss_at = [&](double step) {
        const std::vector<double> before = in[i].data;
        for (int64_t j = 0; j < in[i].numel(); ++j) in[i][j] += step * direction[j];
        const double loss = dot(c.forward(in), dy);
        in[i].data = before;
        return loss;
      };
      const double numeric = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
      const double analytic = dot(gradients[i], direction);
      double scale = 1e-3;  // sum of magnitudes: bounds the loss by cancellation in the dot product
      for (int64_t j = 0; j < direction.numel(); ++j) {
        scale += std::abs(gradients[i][j] * direction[j]);
      }
      if (!(std::abs(numeric - analytic) <= kDifferenceLimit * scale)) {
        failures += cat(c.name, ": oracle gradient of input ", i, " is ", analytic,
                        " along a direction, finite differences say ", numeric, "\n");
      }
    }
  }
  return failures;
}

std::string check_op(const OpCase& c, OpRun run) {
  const std::string op = cat(c.name, " ", run);
  Random random(2);
  const std::vector<Array> in = random_inputs(c, random);
  const Array want_y = c.forward(in);
  const Array dy = random_array(want_y.shape, random);
  const std::vector<Array> want = c.backward(in, dy);
  std::string failures;
  for (int64_t trained = kAllInputs; trained < count_trained(c); ++trained) {
    const ProductRun got = run_product(c, run, in, std::span(&dy, 1), trained);
    const RoundingModel model = rounding(c, run.dtype, c.roundings);
    failures += difference(op + ": output", got.y, want_y, tolerance_of(model, want_y));
    for (size_t i = 0; i < want.size(); ++i) {
      if (trained != kAllInputs && trained != static_cast<int64_t>(i)) continue;
      failures += check_gradient(op, i, got.gradients[i], want[i], model);
    }
  }
  return failures;
}

std::string check_op_accumulates(const OpCase& c, OpRun run) {
  const std::string op = cat(c.name, " ", run);
  Random random(3);
  const std::vector<Array> in = random_inputs(c, random);
  const Shape y_shape = c.forward(in).shape;
  const std::vector<Array> dys = {random_cotangent(y_shape, random),
                                  random_cotangent(y_shape, random)};
  std::vector<Array> want = c.backward(in, dys[0]);
  const std::vector<Array> second = c.backward(in, dys[1]);
  const ProductRun got = run_product(c, run, in, dys, kAllInputs);
  std::string failures;
  for (size_t i = 0; i < want.size(); ++i) {
    for (int64_t j = 0; j < want[i].numel(); ++j) want[i][j] += second[i][j];
    // Each of the two gradients and their sum is rounded.
    failures += check_gradient(op, i, got.gradients[i], want[i],
                               rounding(c, run.dtype, 2 * c.roundings + 1));
  }
  return failures;
}

std::vector<std::string> declared_ops(const std::string& header_text) {
  static const std::regex declaration("(^|\n)Var ([a-z0-9_]+)\\(");
  std::vector<std::string> names;
  for (std::sregex_iterator it(header_text.begin(), header_text.end(), declaration), end; it != end;
       ++it) {
    names.push_back((*it)[2]);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace rela::test
