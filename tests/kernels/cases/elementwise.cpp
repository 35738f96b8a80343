#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

double count(const Shape& shape) { return static_cast<double>(shape.numel()); }

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
  c.passes = [n = count(shape)](double e) { return memory_passes(2 * n * e, 3 * n * e); };
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
  c.passes = [n = count(shape)](double e) {  // both inputs share the gradient
    return std::vector<OpPass>{{.name = "forward", .bytes = 3 * n * e}};
  };
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
  // The shared gradient is copied before it is added to.
  c.passes = [](double e) { return memory_passes(2 * 35 * e, 5 * 35 * e); };
  return c;
}

OpCase cast_case(const char* name, Dtype from, Dtype to, const Shape& shape = {3, 33}) {
  OpCase c;
  c.name = std::string("cast/") + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape}};
  c.product = [to](std::span<const Var> in) { return cast(in[0], to); };
  c.forward = [](std::span<const Array> in) { return in[0]; };
  c.backward = [](std::span<const Array>, const Array& dy) { return std::vector<Array>{dy}; };
  c.passes = [=, n = count(shape)](double e) {
    const double bytes = from == to ? 0 : n * (e + static_cast<double>(dtype_bytes(to)));
    return memory_passes(bytes, bytes);
  };
  c.dtypes = {from};
  return c;
}

}  // namespace

std::vector<OpCase> elementwise_cases() {
  // The first stage of ResNet-18 on 32 x 32 images.
  const Shape step = {64, 32, 32, 64}, gpu_step = {1024, 32, 32, 64};
  return {
      relu_case("one", {1}),
      relu_case("seven", {7}),
      relu_case("eight", {8}),
      relu_case("nine", {9}),
      relu_case("blocks", {4099}),
      relu_case("ragged", {3, 5, 7, 33}),
      relu_case("empty", {0, 4}),
      add_case("ragged", {31, 33}),
      add_case("two_threads", {200, 197}),
      add_case("empty", {0}),
      double_case(),
      cast_case("to_bf16", Dtype::kF32, Dtype::kBf16),
      cast_case("to_f32", Dtype::kBf16, Dtype::kF32),
      cast_case("to_the_same", Dtype::kF32, Dtype::kF32),
      benchmark_case(relu_case("n:4194304", step)),
      benchmark_case(add_case("n:4194304", step)),
      benchmark_case(cast_case("to_bf16/n:4194304", Dtype::kF32, Dtype::kBf16, step)),
      benchmark_case(cast_case("to_f32/n:4194304", Dtype::kBf16, Dtype::kF32, step)),
      gpu_benchmark_case(relu_case("n:67108864", gpu_step)),
      gpu_benchmark_case(add_case("n:67108864", gpu_step)),
      gpu_benchmark_case(cast_case("to_bf16/n:67108864", Dtype::kF32, Dtype::kBf16, gpu_step)),
      gpu_benchmark_case(cast_case("to_f32/n:67108864", Dtype::kBf16, Dtype::kF32, gpu_step)),
  };
}

}  // namespace rela::test
