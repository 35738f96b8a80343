#include <algorithm>

#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"
#include "tests/support/oracle/conv2d.h"

namespace rela::test {
namespace {

OpCase conv2d_case(const std::string& variant, const Conv2dDims& d,
                   Conv2dAlgorithm algorithm = Conv2dAlgorithm::kAuto) {
  OpCase c;
  c.name = "conv2d/" + variant;
  c.inputs = {{.shape = {d.n, d.h, d.w, d.c}},
              {.role = Role::kParameter, .shape = {d.k, d.r, d.s, d.c}}};
  c.product = [=](std::span<const Var> in) {
    return conv2d(in[0], in[1], {.stride = d.stride, .padding = d.padding, .algorithm = algorithm});
  };
  c.forward = [=](std::span<const Array> in) { return conv2d_oracle(d, in[0], in[1]); };
  c.backward = [=](std::span<const Array> in, const Array& dy) {
    return conv2d_backward_oracle(d, in[0], in[1], dy);
  };
  c.passes = [=](double e) {
    const int64_t x = d.n * d.h * d.w * d.c, y = d.n * d.p() * d.q() * d.k;
    const int64_t w = d.k * d.r * d.s * d.c;
    const double bytes = static_cast<double>(x + y + w) * e;
    const double bytes_dw = static_cast<double>(x + y) * e + static_cast<double>(w) * sizeof(float);
    return std::vector<OpPass>{
        {.name = "forward", .bytes = bytes, .flops = d.flops()},
        {.name = "backward_data", .bytes = bytes, .flops = d.flops(), .trained = 0},
        {.name = "backward_weights", .bytes = bytes_dw, .flops = d.flops(), .trained = 1}};
  };
  c.reduction = std::max({d.r * d.s * d.c, d.r * d.s * d.k, d.n * d.p() * d.q(), int64_t{1}});
  return c;
}

/// Winograd's transforms add multiples of the inputs before and after multiplying: at 512 channels
/// its errors reach 3e-6 of the largest value, several times those of direct summation.
OpCase winograd_case(const std::string& variant, const Conv2dDims& d) {
  OpCase c = conv2d_case("winograd_" + variant, d, Conv2dAlgorithm::kWinograd);
  c.slack = 4;
  return c;
}

/// The different layers of one ResNet-18 for 32 x 32 images.
std::vector<Conv2dDims> resnet18_layers(int64_t n, int64_t width) {
  std::vector<Conv2dDims> layers = {
      {.n = n, .h = 32, .w = 32, .c = 3, .k = width, .r = 3, .s = 3, .padding = 1}};
  for (int64_t stage = 0; stage < 4; ++stage) {
    const int64_t hw = 32 >> stage, c = width << stage;
    layers.push_back({.n = n, .h = hw, .w = hw, .c = c, .k = c, .r = 3, .s = 3, .padding = 1});
    if (stage == 3) break;
    layers.push_back(
        {.n = n, .h = hw, .w = hw, .c = c, .k = 2 * c, .r = 3, .s = 3, .stride = 2, .padding = 1});
    layers.push_back({.n = n, .h = hw, .w = hw, .c = c, .k = 2 * c, .stride = 2});
  }
  return layers;
}

OpCase step_case(const Conv2dDims& d, const std::string& name, Conv2dAlgorithm algorithm) {
  const auto part = [](const char* key, int64_t value) { return key + std::to_string(value); };
  OpCase c = conv2d_case(part("n:", d.n) + part("/c:", d.c) + part("/k:", d.k) + part("/hw:", d.h) +
                             part("/rs:", d.r) + part("/stride:", d.stride) + "/algorithm:" + name,
                         d, algorithm);
  if (algorithm != Conv2dAlgorithm::kAuto) c.dtypes = {Dtype::kF32};
  return c;
}

/// The flops are nominal: padding counts, and Winograd needs fewer.
void add_steps(std::vector<OpCase>& cases) {
  std::vector<Conv2dDims> layers = resnet18_layers(64, 64);
  for (const Conv2dDims& d : resnet18_layers(128, 16)) layers.push_back(d);
  for (const Conv2dDims& d : layers) {
    cases.push_back(benchmark_case(step_case(d, "auto", Conv2dAlgorithm::kAuto)));
    if (d.r != 3 || d.stride != 1) continue;
    cases.push_back(benchmark_case(step_case(d, "direct", Conv2dAlgorithm::kDirect)));
    cases.push_back(benchmark_case(step_case(d, "winograd", Conv2dAlgorithm::kWinograd)));
  }
  for (const Conv2dDims& d : resnet18_layers(1024, 64)) {
    cases.push_back(gpu_benchmark_case(step_case(d, "auto", Conv2dAlgorithm::kAuto)));
    cases.back().dtypes = {Dtype::kBf16};
  }
}

}  // namespace

std::vector<OpCase> conv2d_cases() {
  std::vector<OpCase> cases = {
      conv2d_case("3x3", {.n = 2, .h = 7, .w = 5, .c = 16, .k = 31, .r = 3, .s = 3, .padding = 1}),
      conv2d_case("3x3_of_images",
                  {.n = 3, .h = 8, .w = 8, .c = 3, .k = 16, .r = 3, .s = 3, .padding = 1}),
      conv2d_case(
          "3x3_stride_2",
          {.n = 2, .h = 8, .w = 8, .c = 16, .k = 32, .r = 3, .s = 3, .stride = 2, .padding = 1}),
      conv2d_case(
          "3x3_stride_2_odd",
          {.n = 1, .h = 7, .w = 9, .c = 33, .k = 17, .r = 3, .s = 3, .stride = 2, .padding = 1}),
      conv2d_case(
          "7x7_stride_2",
          {.n = 2, .h = 15, .w = 14, .c = 3, .k = 8, .r = 7, .s = 7, .stride = 2, .padding = 3}),
      conv2d_case("1x1", {.n = 2, .h = 3, .w = 3, .c = 197, .k = 32}),
      conv2d_case("1x1_stride_2", {.n = 2, .h = 4, .w = 4, .c = 32, .k = 64, .stride = 2}),
      conv2d_case("1x1_stride_2_odd", {.n = 2, .h = 5, .w = 4, .c = 16, .k = 33, .stride = 2}),
      conv2d_case("1x1_stride_3_odd", {.n = 5, .h = 8, .w = 6, .c = 32, .k = 24, .stride = 3}),
      conv2d_case("1x1_stride_2_padding",
                  {.n = 3, .h = 4, .w = 5, .c = 16, .k = 8, .stride = 2, .padding = 1}),
      conv2d_case("no_padding", {.n = 1, .h = 4, .w = 4, .c = 16, .k = 16, .r = 3, .s = 3}),
      conv2d_case("one_of_everything", {.n = 1, .h = 1, .w = 1, .c = 1, .k = 1}),
      conv2d_case("rectangular_filter",
                  {.n = 1, .h = 5, .w = 6, .c = 4, .k = 5, .r = 1, .s = 3, .padding = 1}),
      conv2d_case("no_images", {.n = 0, .h = 4, .w = 4, .c = 3, .k = 2, .r = 3, .s = 3}),
      conv2d_case("3x3_odd_images",
                  {.n = 3, .h = 7, .w = 5, .c = 32, .k = 24, .r = 3, .s = 3, .padding = 1}),
      conv2d_case("3x3_narrower_than_its_filter",
                  {.n = 2, .h = 1, .w = 2, .c = 16, .k = 8, .r = 3, .s = 3, .padding = 1}),
      conv2d_case("3x3_padding_2",
                  {.n = 5, .h = 3, .w = 4, .c = 16, .k = 16, .r = 3, .s = 3, .padding = 2}),
      conv2d_case("3x3_padding_beyond_its_filter",
                  {.n = 1, .h = 2, .w = 3, .c = 16, .k = 8, .r = 3, .s = 3, .padding = 4}),
      conv2d_case(
          "3x3_stride_3_wide_odd",
          {.n = 3, .h = 11, .w = 8, .c = 48, .k = 40, .r = 3, .s = 3, .stride = 3, .padding = 1}),
      conv2d_case("3x3_stride_2_no_padding",
                  {.n = 2, .h = 9, .w = 6, .c = 16, .k = 24, .r = 3, .s = 3, .stride = 2}),
      conv2d_case("3x3_many_images",  // more than one chunk of them per thread
                  {.n = 21, .h = 33, .w = 31, .c = 16, .k = 16, .r = 3, .s = 3, .padding = 1}),
      conv2d_case("3x3_large_weights",
                  {.n = 3, .h = 3, .w = 3, .c = 112, .k = 136, .r = 3, .s = 3, .padding = 1}),
      conv2d_case("3x3_wide",
                  {.n = 2, .h = 8, .w = 8, .c = 64, .k = 64, .r = 3, .s = 3, .padding = 1},
                  Conv2dAlgorithm::kDirect),
      winograd_case("64", {.n = 2, .h = 8, .w = 8, .c = 64, .k = 64, .r = 3, .s = 3, .padding = 1}),
      winograd_case("odd_image",
                    {.n = 3, .h = 7, .w = 5, .c = 32, .k = 64, .r = 3, .s = 3, .padding = 1}),
      winograd_case("odd_channels",
                    {.n = 1, .h = 4, .w = 4, .c = 33, .k = 31, .r = 3, .s = 3, .padding = 1}),
  };
  add_steps(cases);
  return cases;
}

}  // namespace rela::test
