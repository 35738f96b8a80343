#include "tests/support/op_case.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <ostream>
#include <regex>

#include "runtime/allocator.h"
#include "runtime/error.h"

namespace rela::test {
namespace {

constexpr double kStep = 1e-5;  // of central differences: truncation and rounding are both ~1e-11
constexpr double kDifferenceLimit = 1e-7;
constexpr int kDirections = 3;
constexpr int64_t kAllInputs = -1;

std::vector<Array> random_inputs(const OpCase& c, Random& random) {
  std::vector<Array> in;
  for (const OpInput& i : c.inputs) in.push_back(random_array(i.shape, random, i.low, i.high));
  return in;
}

/// Finite differences need inputs without ties and kinks, which rounded values might have.
std::vector<Array> unrounded_inputs(const OpCase& c, Random& random) {
  std::vector<Array> in;
  for (const OpInput& i : c.inputs) {
    std::uniform_real_distribution<double> uniform(i.low, i.high);
    for (double& x : in.emplace_back(i.shape).data) x = uniform(random);
  }
  return in;
}

double dot(const Array& a, const Array& b) {
  return std::inner_product(a.data.begin(), a.data.end(), b.data.begin(), 0.0);
}

/// While it lives, fresh memory contains NaN.
class PoisonedMemory {
 public:
  explicit PoisonedMemory(Device device) : allocator_(Allocator::of(device)) {
    allocator_.set_fresh_memory(FreshMemory::kNan);
  }
  ~PoisonedMemory() { allocator_.set_fresh_memory(FreshMemory::kUndefined); }
  PoisonedMemory(const PoisonedMemory&) = delete;
  PoisonedMemory& operator=(const PoisonedMemory&) = delete;

 private:
  Allocator& allocator_;
};

struct ProductRun {
  Array y;
  std::vector<Array> gradients;  // empty shape [] and no data where none was requested
};

/// A trained input: parameters are leaves of the tape; an activation is the output of an op whose
/// backward passes the incoming gradient on.
Var trained_input(const OpInput& input, const Tensor& value, Tensor& gradient) {
  if (input.role == Role::kParameter) return make_parameter(value);
  const Var anchor = make_parameter(Tensor::zeros({1}, Dtype::kF32, value.device()));
  return record("input", value, {anchor},
                [&gradient](const Tensor& dy, GradSink&) { gradient = dy.clone(); });
}

/// Runs the op once per cotangent on the same inputs, and the tape once. `trained` is one input or
/// kAllInputs.
ProductRun run_product(const OpCase& c, OpRun run, std::span<const Array> in,
                       std::span<const Array> dys, int64_t trained) {
  const auto [dtype, device] = run;
  const PoisonedMemory poisoned(device);
  std::vector<Tensor> gradients(in.size());
  std::vector<Var> vars;
  for (size_t i = 0; i < in.size(); ++i) {
    const bool is_parameter = c.inputs[i].role == Role::kParameter;
    const Tensor value = to_tensor(in[i], is_parameter ? Dtype::kF32 : dtype, device);
    const bool is_trained = trained == kAllInputs || trained == static_cast<int64_t>(i);
    vars.push_back(is_trained ? trained_input(c.inputs[i], value, gradients[i]) : Var(value));
    if (is_parameter && dtype != Dtype::kF32) {
      vars[i].node().compute_copy = to_tensor(in[i], dtype, device);
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

std::string check_oracle(const OpCase& c) {
  Random random(1);
  std::vector<Array> in = unrounded_inputs(c, random);
  const Array dy = random_array(c.forward(in).shape, random);
  const std::vector<Array> gradients = c.backward(in, dy);
  std::string failures;
  for (size_t i = 0; i < in.size(); ++i) {
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
  const int64_t num_inputs = static_cast<int64_t>(in.size());
  for (int64_t trained = kAllInputs; trained < num_inputs; ++trained) {
    const ProductRun got = run_product(c, run, in, std::span(&dy, 1), trained);
    const RoundingModel model = rounding(c, run.dtype, c.roundings);
    failures += difference(op + ": output", got.y, want_y, tolerance_of(model, want_y));
    for (size_t i = 0; i < in.size(); ++i) {
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
  const std::vector<Array> dys = {random_array(y_shape, random), random_array(y_shape, random)};
  std::vector<Array> want = c.backward(in, dys[0]);
  const std::vector<Array> second = c.backward(in, dys[1]);
  const ProductRun got = run_product(c, run, in, dys, kAllInputs);
  std::string failures;
  for (size_t i = 0; i < in.size(); ++i) {
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
