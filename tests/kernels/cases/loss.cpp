#include "tests/support/oracle/loss.h"

#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

Tensor labels_tensor(const std::vector<int64_t>& labels, Device device) {
  Tensor t = Tensor::empty({static_cast<int64_t>(labels.size())}, Dtype::kI64);
  std::copy(labels.begin(), labels.end(), t.span<int64_t>().begin());
  return t.to(device);
}

OpCase cross_entropy_case(const char* name, int64_t rows, int64_t classes, double spread) {
  CrossEntropyOracle oracle;
  for (int64_t r = 0; r < rows; ++r) oracle.labels.push_back((7 * r + 3) % classes);
  OpCase c;
  c.name = std::string("softmax_cross_entropy/") + name;
  c.inputs = {
      {.role = Role::kActivation, .shape = {rows, classes}, .low = -spread, .high = spread}};
  c.product = [oracle](std::span<const Var> in) {
    return softmax_cross_entropy(in[0], labels_tensor(oracle.labels, in[0].device()));
  };
  c.forward = [oracle](std::span<const Array> in) { return oracle.forward(in[0]); };
  c.backward = [oracle](std::span<const Array> in, const Array& dy) {
    return std::vector<Array>{oracle.backward(in[0], dy[0])};
  };
  c.reduction = classes;
  return c;
}

OpCase byol_case(const char* name, const Shape& shape, LossReduction reduction) {
  Random random(11);
  const double rows = static_cast<double>(shape[0]);
  const ByolOracle oracle{.z = random_array(shape, random),
                          .scale = (reduction == LossReduction::kSum ? 2 : 1) / rows};
  OpCase c;
  c.name = std::string("byol_loss/") + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape}};
  c.product = [oracle, reduction](std::span<const Var> in) {
    return byol_loss(in[0], to_tensor(oracle.z, in[0].dtype(), in[0].device()), reduction);
  };
  c.forward = [oracle](std::span<const Array> in) { return oracle.forward(in[0]); };
  c.backward = [oracle](std::span<const Array> in, const Array& dy) {
    return std::vector<Array>{oracle.backward(in[0], dy[0])};
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
      byol_case("sum", {8, 33}, LossReduction::kSum),
      byol_case("mean", {8, 33}, LossReduction::kMean),
      byol_case("one_pair", {2, 3}, LossReduction::kSum),
      byol_case("wide", {6, 256}, LossReduction::kMean),
      byol_case("many", {258, 197}, LossReduction::kSum),
  };
}

}  // namespace rela::test
