#include "tests/support/oracle/pool2d.h"
#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

double count(const Shape& shape) { return static_cast<double>(shape.numel()); }
double pooled_count(const Shape& x, const Pool2dOptions& o) {
  const auto outputs = [&](int64_t size) {
    return (size + 2 * o.padding - o.kernel) / o.stride + 1;
  };
  return static_cast<double>(x[0] * outputs(x[1]) * outputs(x[2]) * x[3]);
}

OpCase max_case(const std::string& variant, const Shape& x, const Pool2dOptions& o) {
  OpCase c;
  c.name = "max_pool2d/" + variant;
  c.inputs = {{.shape = x}};
  c.product = [=](std::span<const Var> in) { return max_pool2d(in[0], o); };
  c.forward = [=](std::span<const Array> in) { return max_pool2d_oracle(in[0], o); };
  c.backward = [=](std::span<const Array> in, const Array& dy) {
    return std::vector{max_pool2d_backward_oracle(in[0], o, dy)};
  };
  c.passes = [=](double e) {  // and one byte for the place of each maximum
    const double pooled = pooled_count(x, o);
    const double bytes = (count(x) + pooled) * e + pooled;
    return memory_passes(bytes, bytes);
  };
  c.reduction = o.kernel * o.kernel;
  return c;
}

OpCase avg_case(const std::string& variant, const Shape& x, const Pool2dOptions& o) {
  OpCase c;
  c.name = "avg_pool2d/" + variant;
  c.inputs = {{.shape = x}};
  c.product = [=](std::span<const Var> in) { return avg_pool2d(in[0], o); };
  c.forward = [=](std::span<const Array> in) { return avg_pool2d_oracle(in[0], o); };
  c.backward = [=](std::span<const Array> in, const Array& dy) {
    return std::vector{avg_pool2d_backward_oracle(in[0], o, dy)};
  };
  c.passes = [=](double e) {
    const double bytes = (count(x) + pooled_count(x, o)) * e;
    return memory_passes(bytes, bytes);
  };
  c.reduction = o.kernel * o.kernel;
  return c;
}

OpCase global_case(const std::string& variant, const Shape& x) {
  OpCase c;
  c.name = "global_avg_pool/" + variant;
  c.inputs = {{.shape = x}};
  c.product = [](std::span<const Var> in) { return global_avg_pool(in[0]); };
  c.forward = [](std::span<const Array> in) { return global_avg_pool_oracle(in[0]); };
  c.backward = [](std::span<const Array> in, const Array& dy) {
    return std::vector{global_avg_pool_backward_oracle(in[0], dy)};
  };
  c.passes = [=](double e) {
    const double bytes = (count(x) + static_cast<double>(x[0] * x[3])) * e;
    return memory_passes(bytes, bytes);
  };
  c.reduction = x[1] * x[2];
  return c;
}

OpCase subsample_case(const std::string& variant, const Shape& x, const SubsamplePadOptions& o) {
  OpCase c;
  c.name = "subsample_pad/" + variant;
  c.inputs = {{.shape = x}};
  c.product = [=](std::span<const Var> in) { return subsample_pad(in[0], o); };
  c.forward = [=](std::span<const Array> in) { return subsample_pad_oracle(in[0], o); };
  c.backward = [=](std::span<const Array> in, const Array& dy) {
    return std::vector{subsample_pad_backward_oracle(in[0], o, dy)};
  };
  c.passes = [=](double e) {
    const int64_t pixels =
        x[0] * ((x[1] + o.stride - 1) / o.stride) * ((x[2] + o.stride - 1) / o.stride);
    const auto kept = static_cast<double>(pixels * x[3]);
    const auto padding = static_cast<double>(pixels * (o.channels_before + o.channels_after));
    return memory_passes((2 * kept + padding) * e, (kept + count(x)) * e);
  };
  return c;
}

}  // namespace

std::vector<OpCase> pool_cases() {
  const Shape step = {16, 56, 56, 64};
  const Pool2dOptions stem{.kernel = 3, .stride = 2, .padding = 1};
  const SubsamplePadOptions option_a{.stride = 2, .channels_before = 8, .channels_after = 8};
  return {
      max_case("2x2", {2, 4, 6, 33}, {.kernel = 2, .stride = 2}),
      max_case("overlapping_padded", {2, 7, 8, 197}, {.kernel = 3, .stride = 2, .padding = 1}),
      max_case("stride_1", {1, 5, 5, 3}, {.kernel = 3, .stride = 1, .padding = 1}),
      max_case("gaps_between_windows", {1, 8, 7, 5}, {.kernel = 2, .stride = 3}),
      max_case("whole_image", {3, 4, 4, 31}, {.kernel = 4, .stride = 4}),
      max_case("one", {1, 1, 1, 1}, {.kernel = 1, .stride = 1}),
      max_case("whole_vectors", {2, 9, 9, 64}, {.kernel = 3, .stride = 2, .padding = 1}),
      max_case("one_vector", {1, 5, 5, 8}, {.kernel = 3, .stride = 1, .padding = 1}),
      max_case("no_images", {0, 4, 4, 2}, {.kernel = 2, .stride = 2}),
      avg_case("2x2", {2, 4, 6, 33}, {.kernel = 2, .stride = 2}),
      avg_case("overlapping_padded", {2, 7, 8, 65}, {.kernel = 3, .stride = 2, .padding = 1}),
      avg_case("gaps_between_windows", {1, 8, 7, 5}, {.kernel = 2, .stride = 3}),
      avg_case("whole_vectors", {2, 9, 9, 64}, {.kernel = 3, .stride = 2, .padding = 1}),
      avg_case("one_vector", {1, 5, 5, 8}, {.kernel = 3, .stride = 1, .padding = 1}),
      avg_case("whole_image", {3, 4, 4, 31}, {.kernel = 4, .stride = 4}),
      avg_case("no_images", {0, 4, 4, 2}, {.kernel = 2, .stride = 2}),
      global_case("4x4", {3, 4, 4, 197}),
      global_case("one_pixel", {2, 1, 1, 64}),
      global_case("prime", {1, 7, 5, 1}),
      global_case("two_blocks", {2, 7, 7, 520}),
      global_case("no_images", {0, 4, 4, 8}),
      subsample_case("option_a", {2, 8, 6, 16}, option_a),
      subsample_case("odd_sizes", {3, 7, 5, 33},
                     {.stride = 2, .channels_before = 1, .channels_after = 31}),
      subsample_case("stride_3", {1, 7, 8, 5}, {.stride = 3, .channels_after = 2}),
      subsample_case("whole_vectors", {1, 7, 8, 8},
                     {.stride = 3, .channels_before = 4, .channels_after = 4}),
      subsample_case("padding_alone", {1, 3, 2, 1}, {.channels_before = 4}),
      subsample_case("one", {1, 1, 1, 1}, {.stride = 2}),
      subsample_case("no_images", {0, 4, 4, 2}, {.stride = 2, .channels_before = 1}),
      benchmark_case(max_case("n:16/c:64/hw:56", step, stem)),
      benchmark_case(avg_case("n:16/c:64/hw:56", step, stem)),
      benchmark_case(global_case("n:16/c:64/hw:56", step)),
      benchmark_case(subsample_case("n:128/c:16/hw:32", {128, 32, 32, 16}, option_a)),
      // ResNet-50 on images of 224 pixels, and a CIFAR net.
      gpu_benchmark_case(max_case("n:512/c:64/hw:112", {512, 112, 112, 64}, stem)),
      gpu_benchmark_case(avg_case("n:512/c:64/hw:112", {512, 112, 112, 64}, stem)),
      gpu_benchmark_case(global_case("n:512/c:2048/hw:7", {512, 7, 7, 2048})),
      gpu_benchmark_case(subsample_case("n:1024/c:16/hw:32", {1024, 32, 32, 16}, option_a)),
  };
}

}  // namespace rela::test
