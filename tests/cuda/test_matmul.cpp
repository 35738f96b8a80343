// The matrix product interface against its definition in double.

#include <gtest/gtest.h>

#include <array>
#include <ostream>
#include <vector>

#include "kernels/libraries/cublas/matmul.h"
#include "tests/support/cuda_arrays.h"

namespace rela {

std::ostream& operator<<(std::ostream& out, const MatmulCall& c) {
  constexpr const char* kLayouts[] = {"nt", "nn", "tn"};
  return out << kLayouts[static_cast<int>(c.layout)] << "_" << dtype_name(c.in) << "_to_"
             << dtype_name(c.out) << (c.bias == Bias::kPresent ? "_bias" : "")
             << (c.mode == Write::kAccumulate ? "_accumulate" : "") << "_" << c.m << "x" << c.n
             << "x" << c.k << "_batch_" << c.batch;
}

namespace test {
namespace {

/// Adds the call, also with a bias and accumulating where that is allowed.
void add_calls(MatmulCall call, std::vector<MatmulCall>& all) {
  all.push_back(call);
  const bool is_nt = call.layout == MatmulLayout::kNt;
  if (is_nt && call.batch > 1) return;
  if (is_nt) call.bias = Bias::kPresent;
  if (!is_nt) call.mode = Write::kAccumulate;
  all.push_back(call);
}
/// Every call of these sizes that the interface supports.
void add_types(MatmulCall call, std::vector<MatmulCall>& all) {
  for (const auto layout : {MatmulLayout::kNt, MatmulLayout::kNn, MatmulLayout::kTn}) {
    call.layout = layout;
    for (const Dtype in : kStorageTypes) {
      call.in = in;
      call.out = Dtype::kF32;
      add_calls(call, all);
      if (in == Dtype::kF32 || layout == MatmulLayout::kTn) continue;
      call.out = in;
      add_calls(call, all);
    }
  }
}
std::vector<MatmulCall> calls() {
  std::vector<MatmulCall> all;
  for (const int64_t batch : {1, 3}) {
    for (const auto& [m, n, k] : std::vector<std::array<int64_t, 3>>{
             {1, 1, 1}, {5, 33, 31}, {64, 40, 16}, {130, 10, 197}}) {
      add_types({.m = m, .n = n, .k = k, .batch = batch}, all);
    }
  }
  return all;
}

/// a and b in the call's layout, `bias` [N] or empty.
Array product(const MatmulCall& c, const Array& a, const Array& b, const Array& bias) {
  Array result({c.batch, c.m, c.n});
  for (int64_t i = 0; i < c.batch; ++i)
    for (int64_t m = 0; m < c.m; ++m)
      for (int64_t n = 0; n < c.n; ++n) {
        double sum = c.bias == Bias::kPresent ? bias[n] : 0.0;
        for (int64_t k = 0; k < c.k; ++k) {
          const int64_t at = c.layout == MatmulLayout::kTn ? k * c.m + m : m * c.k + k;
          const int64_t bt = c.layout == MatmulLayout::kNt ? n * c.k + k : k * c.n + n;
          sum += a[i * c.m * c.k + at] * b[i * c.k * c.n + bt];
        }
        result[(i * c.m + m) * c.n + n] = sum;
      }
  return result;
}

class MatmulDoor : public testing::TestWithParam<MatmulCall> {};

TEST_P(MatmulDoor, IsTheDefinition) {
  const MatmulCall& call = GetParam();
  Random random(3);
  const Array a = random_array({call.batch * call.m * call.k}, random);
  const Array b = random_array({call.batch * call.k * call.n}, random);
  const Array bias = random_array({call.n}, random);
  const Array old = random_array({call.batch, call.m, call.n}, random);
  const Array want = expected(old, product(call, a, b, bias), call.mode);

  const DeviceValues da = on_device(a, call.in), db = on_device(b, call.in);
  const DeviceValues dbias = on_device(bias, call.out);
  DeviceValues c = output_like(old, call.out, call.mode);
  DeviceWorkspace workspace(matmul_workspace_bytes(call));
  matmul(call, {.a = da.data(), .b = db.data(), .bias = dbias.data(), .c = c.data()},
         workspace.get(), kTestStream);
  expect_near("c", c.download(), want, {.dtype = call.out, .reduction = call.k, .roundings = 2});
}

INSTANTIATE_TEST_SUITE_P(Calls, MatmulDoor, testing::ValuesIn(calls()),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace test
}  // namespace rela
