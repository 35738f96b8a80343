#include "tests/support/oracle/loss.h"

#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

CrossEntropyOracle with_labels(const Array& labels) {
  return {.labels = {labels.data.begin(), labels.data.end()}};
}

OpCase cross_entropy_case(const std::string& name, int64_t rows, int64_t classes, double spread) {
  OpCase c;
  c.name = "softmax_cross_entropy/" + name;
  c.inputs = {{.role = Role::kActivation, .shape = {rows, classes}, .low = -spread, .high = spread},
              {.role = Role::kLabels,
               .shape = {rows},
               .low = 0,
               .high = static_cast<double>(classes),
               .is_trained = false}};
  c.product = [](std::span<const Var> in) { return softmax_cross_entropy(in[0], in[1].value()); };
  c.forward = [](std::span<const Array> in) { return with_labels(in[1]).forward(in[0]); };
  c.backward = [](std::span<const Array> in, const Array& dy) {
    return std::vector<Array>{with_labels(in[1]).backward(in[0], dy[0])};
  };
  c.passes = [n = static_cast<double>(rows * classes)](double e) {
    return memory_passes(n * e, 2 * n * e);
  };
  c.reduction = classes;
  return c;
}

OpCase byol_case(const std::string& name, const Shape& shape, LossReduction reduction) {
  const double scale = (reduction == LossReduction::kSum ? 2 : 1) / static_cast<double>(shape[0]);
  OpCase c;
  c.name = "byol_loss/" + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape},
              {.role = Role::kActivation, .shape = shape, .is_trained = false}};
  c.product = [reduction](std::span<const Var> in) {
    return byol_loss(in[0], in[1].value(), reduction);
  };
  c.forward = [scale](std::span<const Array> in) {
    return ByolOracle{.z = in[1], .scale = scale}.forward(in[0]);
  };
  c.backward = [scale](std::span<const Array> in, const Array& dy) {
    return std::vector<Array>{ByolOracle{.z = in[1], .scale = scale}.backward(in[0], dy[0])};
  };
  // Forward also writes the gradient, in f32; backward scales it.
  c.passes = [n = static_cast<double>(shape.numel())](double e) {
    return memory_passes(n * (2 * e + sizeof(float)), n * (sizeof(float) + e));
  };
  c.reduction = shape[1];
  return c;
}

}  // namespace

std::vector<OpCase> loss_cases() {
  return {
      cross_entropy_case("one_row", 1, 10, 4),
      cross_entropy_case("prime", 31, 13, 1),
      cross_entropy_case("wide", 3, 1000, 8),
      cross_entropy_case("many", 197, 197, 2),
      cross_entropy_case("one_class", 1, 1, 4),
      cross_entropy_case("ragged", 33, 31, 6),
      byol_case("sum", {8, 33}, LossReduction::kSum),
      byol_case("mean", {8, 33}, LossReduction::kMean),
      byol_case("one_pair", {2, 3}, LossReduction::kSum),
      byol_case("wide", {6, 256}, LossReduction::kMean),
      byol_case("many", {258, 197}, LossReduction::kSum),
      byol_case("whole_rows", {34, 264}, LossReduction::kMean),
      benchmark_case(cross_entropy_case("n:256/k:10", 256, 10, 4)),
      benchmark_case(cross_entropy_case("n:256/k:1000", 256, 1000, 4)),
      benchmark_case(byol_case("n:128/d:256", {128, 256}, LossReduction::kSum)),
      benchmark_case(byol_case("n:512/d:256", {512, 256}, LossReduction::kSum)),
      gpu_benchmark_case(cross_entropy_case("n:1024/k:1000", 1024, 1000, 4)),
      gpu_benchmark_case(byol_case("n:1024/d:256", {1024, 256}, LossReduction::kSum)),
  };
}

}  // namespace rela::test
