// Linear layers through the library interface against their definition in double.

#include <gtest/gtest.h>

#include <ostream>

#include "kernels/matmul/linear.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/oracle/linear.h"

namespace rela::test {
namespace {

struct Case {
  LinearDims dims;
  Dtype dtype;
  Dtype weight_dtype;
  Bias bias;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.dims.n << "x" << c.dims.d << " to " << c.dims.k << ", " << dtype_name(c.dtype)
             << " with " << dtype_name(c.weight_dtype) << " weights"
             << (c.bias == Bias::kPresent ? " and bias" : "");
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const LinearDims& d :
       {LinearDims{.n = 1, .d = 1, .k = 1}, LinearDims{.n = 5, .d = 31, .k = 33},
        LinearDims{.n = 197, .d = 32, .k = 10}, LinearDims{.n = 64, .d = 16, .k = 40},
        LinearDims{.n = 700, .d = 3, .k = 270}, LinearDims{.n = 0, .d = 3, .k = 4}}) {
    for (const Bias bias : {Bias::kAbsent, Bias::kPresent}) {
      all.push_back({d, Dtype::kF32, Dtype::kF32, bias});
      all.push_back({d, Dtype::kBf16, Dtype::kBf16, bias});
      all.push_back({d, Dtype::kBf16, Dtype::kF32, bias});
      all.push_back({d, Dtype::kF16, Dtype::kF16, bias});
      all.push_back({d, Dtype::kF16, Dtype::kF32, bias});
    }
  }
  return all;
}

class LinearCuda : public ::testing::TestWithParam<Case> {
 protected:
  LinearProblem problem() const {
    const Case& c = GetParam();
    return {.dims = c.dims, .dtype = c.dtype, .weight_dtype = c.weight_dtype, .bias = c.bias};
  }
  DeviceWorkspace workspace(LinearPass pass, Write mode) const {
    return DeviceWorkspace(linear_workspace_bytes_cuda(problem(), pass, mode));
  }
  std::string compare(const char* what, const Array& got, const Array& want, int64_t reduction,
                      Dtype dtype) const {
    const RoundingModel model{.dtype = dtype, .reduction = reduction, .roundings = 2};
    return difference(what, got, want, tolerance_of(model, want));
  }

  LinearDims dims_ = GetParam().dims;
  Dtype dtype_ = GetParam().dtype;
  Random random_{12};
  Array x_ = random_array({dims_.n, dims_.d}, random_);
  Array w_ = random_array({dims_.k, dims_.d}, random_);
  Array b_ = random_array({dims_.k}, random_);
  Array dy_ = random_array({dims_.n, dims_.k}, random_);
};

TEST_P(LinearCuda, ForwardIsTheDefinition) {
  std::vector<Array> in{x_, w_};
  if (GetParam().bias == Bias::kPresent) in.push_back(b_);
  const Array want = linear_oracle(in);
  for_each_schedule([&] {
    const DeviceValues x = on_device(x_, dtype_);
    const DeviceValues w = on_device(w_, GetParam().weight_dtype);
    const DeviceArray<float> b(to_floats(b_));
    DeviceValues y(want.numel(), dtype_);
    DeviceWorkspace scratch = workspace(LinearPass::kForward, Write::kOverwrite);
    linear_forward_cuda(problem(), x.data(), {w.data(), b.data()}, y.data(), scratch.get(),
                        kTestStream);
    EXPECT_EQ(compare("y", to_array(want.shape, y.download()), want, dims_.d, dtype_), "");
  });
}

TEST_P(LinearCuda, GradientsOverwriteAndAccumulate) {
  const std::vector<Array> gradients = linear_backward_oracle(std::vector{x_, w_, b_}, dy_);
  const std::vector<Array> before{random_array(x_.shape, random_), random_array(w_.shape, random_),
                                  random_array(b_.shape, random_)};
  for (const Write mode : {Write::kOverwrite, Write::kAccumulate}) {
    std::vector<Array> want = gradients;
    for (size_t a = 0; mode == Write::kAccumulate && a < want.size(); ++a) {
      for (int64_t i = 0; i < want[a].numel(); ++i) want[a][i] += before[a][i];
    }
    const auto start = [&](size_t a, Dtype dtype) {
      return mode == Write::kAccumulate ? on_device(before[a], dtype)
                                        : DeviceValues(before[a].numel(), dtype);
    };
    for_each_schedule([&] {
      const DeviceValues x = on_device(x_, dtype_);
      const DeviceValues w = on_device(w_, GetParam().weight_dtype);
      const DeviceValues dy = on_device(dy_, dtype_);
      DeviceValues dx = start(0, dtype_);
      DeviceValues dw = start(1, Dtype::kF32);
      DeviceValues db = start(2, Dtype::kF32);
      DeviceWorkspace data_scratch = workspace(LinearPass::kBackwardData, mode);
      DeviceWorkspace weight_scratch = workspace(LinearPass::kBackwardWeights, mode);
      linear_backward_data_cuda(problem(), dy.data(), w.data(), {dx.data(), mode},
                                data_scratch.get(), kTestStream);
      linear_backward_weights_cuda(problem(), x.data(), dy.data(), {dw.data(), mode},
                                   weight_scratch.get(), kTestStream);
      DeviceWorkspace bias_scratch = workspace(LinearPass::kBackwardBias, mode);
      linear_backward_bias_cuda(problem(), dy.data(), {db.data(), mode}, bias_scratch.get(),
                                kTestStream);
      EXPECT_EQ(compare("dx", to_array(x_.shape, dx.download()), want[0], dims_.k, dtype_), "");
      EXPECT_EQ(compare("dw", to_array(w_.shape, dw.download()), want[1], dims_.n, Dtype::kF32),
                "");
      EXPECT_EQ(compare("db", to_array(b_.shape, db.download()), want[2], dims_.n, Dtype::kF32),
                "");
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, LinearCuda, ::testing::ValuesIn(cases()));

}  // namespace
}  // namespace rela::test
