// Convolutions through the library interface against their definition in double.

#include <gtest/gtest.h>

#include <ostream>

#include "kernels/conv/conv2d.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/oracle/conv2d.h"

namespace rela::test {
namespace {

struct Case {
  Conv2dDims dims;
  Dtype dtype;
  Dtype weight_dtype;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  const Conv2dDims& d = c.dims;
  return out << d.n << "x" << d.h << "x" << d.w << "x" << d.c << " to " << d.k << ", " << d.r << "x"
             << d.s << " / " << d.stride << ", " << dtype_name(c.dtype) << " with "
             << dtype_name(c.weight_dtype) << " filters";
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Conv2dDims& d :
       {Conv2dDims{.n = 2, .h = 5, .w = 7, .c = 3, .k = 4, .r = 3, .s = 3, .padding = 1},
        Conv2dDims{
            .n = 1, .h = 9, .w = 8, .c = 8, .k = 16, .r = 3, .s = 3, .stride = 2, .padding = 1},
        Conv2dDims{.n = 3, .h = 4, .w = 4, .c = 5, .k = 7},
        Conv2dDims{.n = 2, .h = 7, .w = 7, .c = 8, .k = 8, .stride = 2},
        Conv2dDims{
            .n = 1, .h = 15, .w = 13, .c = 3, .k = 8, .r = 7, .s = 7, .stride = 2, .padding = 3},
        Conv2dDims{.n = 0, .h = 4, .w = 4, .c = 3, .k = 2}}) {
    all.push_back({d, Dtype::kF32, Dtype::kF32});
    all.push_back({d, Dtype::kBf16, Dtype::kBf16});
    all.push_back({d, Dtype::kBf16, Dtype::kF32});
    all.push_back({d, Dtype::kF16, Dtype::kF16});
    all.push_back({d, Dtype::kF16, Dtype::kF32});
  }
  return all;
}

class Conv2dCuda : public ::testing::TestWithParam<Case> {
 protected:
  Conv2dProblem problem() const {
    return {.dims = dims_, .dtype = dtype_, .weight_dtype = GetParam().weight_dtype};
  }
  DeviceWorkspace workspace(Conv2dPass pass, Write mode) const {
    return DeviceWorkspace(conv2d_workspace_bytes_cuda(problem(), pass, mode));
  }
  std::string compare(const char* what, const Array& got, const Array& want, int64_t reduction,
                      int roundings) const {
    const RoundingModel model{.dtype = dtype_, .reduction = reduction, .roundings = roundings};
    return difference(what, got, want, tolerance_of(model, want));
  }

  Conv2dDims dims_ = GetParam().dims;
  Dtype dtype_ = GetParam().dtype;
  Random random_{11};
  Array x_ = random_array({dims_.n, dims_.h, dims_.w, dims_.c}, random_);
  Array w_ = random_array({dims_.k, dims_.r, dims_.s, dims_.c}, random_);
  Array dy_ = random_array({dims_.n, dims_.p(), dims_.q(), dims_.k}, random_);
};

TEST_P(Conv2dCuda, ForwardIsTheDefinition) {
  const Array want = conv2d_oracle(dims_, x_, w_);
  for_each_schedule([&] {
    const DeviceValues x = on_device(x_, dtype_);
    const DeviceValues w = on_device(w_, GetParam().weight_dtype);
    DeviceValues y(want.numel(), dtype_);
    DeviceWorkspace scratch = workspace(Conv2dPass::kForward, Write::kOverwrite);
    conv2d_forward_cuda(problem(), x.data(), w.data(), y.data(), scratch.get(), kTestStream);
    EXPECT_EQ(
        compare("y", to_array(want.shape, y.download()), want, dims_.r * dims_.s * dims_.c, 1), "");
  });
}

TEST_P(Conv2dCuda, GradientsOverwriteAndAccumulate) {
  const std::vector<Array> gradients = conv2d_backward_oracle(dims_, x_, w_, dy_);
  const Array dx_before = random_array(x_.shape, random_);
  const Array dw_before = random_array(w_.shape, random_);
  for (const Write mode : {Write::kOverwrite, Write::kAccumulate}) {
    const bool adds = mode == Write::kAccumulate;
    Array want_dx = gradients[0];
    Array want_dw = gradients[1];
    for (int64_t i = 0; adds && i < want_dx.numel(); ++i) want_dx[i] += dx_before[i];
    for (int64_t i = 0; adds && i < want_dw.numel(); ++i) want_dw[i] += dw_before[i];
    for_each_schedule([&] {
      const DeviceValues x = on_device(x_, dtype_);
      const DeviceValues w = on_device(w_, GetParam().weight_dtype);
      const DeviceValues dy = on_device(dy_, dtype_);
      DeviceValues dx = adds ? on_device(dx_before, dtype_) : DeviceValues(x_.numel(), dtype_);
      DeviceValues dw =
          adds ? on_device(dw_before, Dtype::kF32) : DeviceValues(w_.numel(), Dtype::kF32);
      DeviceWorkspace data_scratch = workspace(Conv2dPass::kBackwardData, mode);
      DeviceWorkspace weight_scratch = workspace(Conv2dPass::kBackwardWeights, mode);
      conv2d_backward_data_cuda(problem(), dy.data(), w.data(), {dx.data(), mode},
                                data_scratch.get(), kTestStream);
      conv2d_backward_weights_cuda(problem(), x.data(), dy.data(), {dw.data(), mode},
                                   weight_scratch.get(), kTestStream);
      EXPECT_EQ(
          compare("dx", to_array(x_.shape, dx.download()), want_dx, dims_.r * dims_.s * dims_.k, 2),
          "");
      EXPECT_EQ(compare("dw", to_array(w_.shape, dw.download()), want_dw,
                        dims_.n * dims_.p() * dims_.q(), 2),
                "");
    });
  }
}

TEST_P(Conv2dCuda, MayBeRecordedAndReplayedOnOtherImages) {
  const Array other = random_array(x_.shape, random_);
  const Array want = conv2d_oracle(dims_, other, w_);
  DeviceValues x = on_device(x_, dtype_);
  const DeviceValues w = on_device(w_, GetParam().weight_dtype);
  DeviceValues y(want.numel(), dtype_);
  DeviceWorkspace scratch = workspace(Conv2dPass::kForward, Write::kOverwrite);
  const Stream stream = simt::stream_create();
  simt::graph_begin_capture(stream);
  conv2d_forward_cuda(problem(), x.data(), w.data(), y.data(), scratch.get(), stream);
  const simt::Graph graph = simt::graph_end_capture(stream);
  x.upload(to_floats(other));
  simt::graph_launch(graph, stream);
  simt::stream_synchronize(stream);
  EXPECT_EQ(compare("y", to_array(want.shape, y.download()), want, dims_.r * dims_.s * dims_.c, 1),
            "");
  simt::graph_destroy(graph);
  simt::stream_destroy(stream);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Conv2dCuda, ::testing::ValuesIn(cases()));

}  // namespace
}  // namespace rela::test
