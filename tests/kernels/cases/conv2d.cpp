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

}  // namespace

std::vector<OpCase> conv2d_cases() {
  return {
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
}

}  // namespace rela::test
