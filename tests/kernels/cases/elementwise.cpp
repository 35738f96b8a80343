#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

OpCase relu_case(const char* name, const Shape& shape) {
  OpCase c;
  c.name = std::string("relu/") + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape}};
  c.product = [](std::span<const Var> in) { return relu(in[0]); };
  c.forward = [](std::span<const Array> in) {
    Array y = in[0];
    for (double& v : y.data) v = v > 0 ? v : 0;
    return y;
  };
  c.backward = [](std::span<const Array> in, const Array& dy) {
    Array dx = dy;
    for (int64_t i = 0; i < dx.numel(); ++i) dx[i] = in[0][i] > 0 ? dy[i] : 0;
    return std::vector<Array>{dx};
  };
  return c;
}

OpCase add_case(const char* name, const Shape& shape) {
  OpCase c;
  c.name = std::string("add/") + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape},
              {.role = Role::kActivation, .shape = shape}};
  c.product = [](std::span<const Var> in) { return add(in[0], in[1]); };
  c.forward = [](std::span<const Array> in) {
    Array y = in[0];
    for (int64_t i = 0; i < y.numel(); ++i) y[i] += in[1][i];
    return y;
  };
  c.backward = [](std::span<const Array>, const Array& dy) { return std::vector<Array>{dy, dy}; };
  return c;
}

OpCase double_case() {
  OpCase c;
  c.name = "add/to_itself";
  c.inputs = {{.role = Role::kActivation, .shape = {5, 7}}};
  c.product = [](std::span<const Var> in) { return add(in[0], in[0]); };
  c.forward = [](std::span<const Array> in) {
    Array y = in[0];
    for (double& v : y.data) v *= 2;
    return y;
  };
  c.backward = [](std::span<const Array>, const Array& dy) {
    Array dx = dy;
    for (double& v : dx.data) v *= 2;
    return std::vector<Array>{dx};
  };
  return c;
}

OpCase cast_case(const char* name, Dtype from, Dtype to) {
  OpCase c;
  c.name = std::string("cast/") + name;
  c.inputs = {{.role = Role::kActivation, .shape = {3, 33}}};
  c.product = [to](std::span<const Var> in) { return cast(in[0], to); };
  c.forward = [](std::span<const Array> in) { return in[0]; };
  c.backward = [](std::span<const Array>, const Array& dy) { return std::vector<Array>{dy}; };
  c.dtypes = {from};
  return c;
}

}  // namespace

std::vector<OpCase> elementwise_cases() {
  return {
      relu_case("one", {1}),
      relu_case("ragged", {3, 5, 7, 33}),
      relu_case("empty", {0, 4}),
      add_case("ragged", {31, 33}),
      add_case("two_threads", {200, 197}),
      add_case("empty", {0}),
      double_case(),
      cast_case("to_bf16", Dtype::kF32, Dtype::kBf16),
      cast_case("to_f32", Dtype::kBf16, Dtype::kF32),
      cast_case("to_the_same", Dtype::kF32, Dtype::kF32),
  };
}

}  // namespace rela::test
