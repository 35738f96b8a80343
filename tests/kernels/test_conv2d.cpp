#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/conv/conv2d.h"
#include "kernels/cpu/features.h"
#include "kernels/cpu/parallel.h"
#include "kernels/libraries/dnnl/convolution.h"
#include "kernels/libraries/dnnl/library.h"
#include "runtime/error.h"
#include "runtime/ops/ops.h"
#include "tests/support/array.h"

namespace rela::test {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr Conv2dPass kPasses[] = {Conv2dPass::kForward, Conv2dPass::kBackwardData,
                                  Conv2dPass::kBackwardWeights};

/// A workspace followed by guard bytes that must not change: sanitizers do not see code that a
/// library generates at run time.
class GuardedWorkspace {
 public:
  explicit GuardedWorkspace(size_t bytes)
      : bytes_(bytes), memory_(Tensor::empty({static_cast<int64_t>(bytes) + kGuard}, Dtype::kU8)) {
    std::memset(guard(), kPattern, kGuard);
  }
  ~GuardedWorkspace() {
    EXPECT_TRUE(std::all_of(guard(), guard() + kGuard, [](uint8_t b) { return b == kPattern; }))
        << "written behind a workspace of " << bytes_ << " bytes";
  }
  GuardedWorkspace(const GuardedWorkspace&) = delete;
  GuardedWorkspace& operator=(const GuardedWorkspace&) = delete;

  Workspace get() { return {memory_.raw(), bytes_}; }

 private:
  static constexpr int64_t kGuard = 256;
  static constexpr uint8_t kPattern = 0xa5;
  uint8_t* guard() { return static_cast<uint8_t*>(memory_.raw()) + bytes_; }

  size_t bytes_;
  Tensor memory_;
};

/// Random inputs, and one pass of the kernel over them.
class Conv2dRun {
 public:
  explicit Conv2dRun(const Conv2dDims& d, Dtype dtype = Dtype::kF32) : dims_(d), dtype_(dtype) {
    Random random(1);
    x_ = to_tensor(random_array({d.n, d.h, d.w, d.c}, random), dtype);
    w_ = to_tensor(random_array({d.k, d.r, d.s, d.c}, random), Dtype::kF32);
    y_ = to_tensor(random_array({d.n, d.p(), d.q(), d.k}, random), dtype);
  }

  Tensor operator()(Conv2dPass pass, Conv2dAlgorithm algorithm) const {
    const Conv2dProblem problem{.dims = dims_, .dtype = dtype_, .algorithm = algorithm};
    GuardedWorkspace scratch(conv2d_workspace_bytes_cpu(problem, pass, Write::kOverwrite));
    const Workspace ws = scratch.get();
    Tensor out = (pass == Conv2dPass::kForward        ? y_
                  : pass == Conv2dPass::kBackwardData ? x_
                                                      : w_)
                     .clone();
    switch (pass) {
      case Conv2dPass::kForward:
        conv2d_forward_cpu(problem, x_.raw(), w_.raw(), out.raw(), ws, {});
        break;
      case Conv2dPass::kBackwardData:
        conv2d_backward_data_cpu(problem, y_.raw(), w_.raw(), {.data = out.raw()}, ws, {});
        break;
      case Conv2dPass::kBackwardWeights:
        conv2d_backward_weights_cpu(problem, x_.raw(), y_.raw(), {.data = out.raw()}, ws, {});
        break;
    }
    return out;
  }

 private:
  Conv2dDims dims_;
  Dtype dtype_;
  Tensor x_, w_, y_;
};

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

/// Largest difference relative to the largest value.
double relative_difference(const Tensor& a, const Tensor& b) {
  double worst = 0, largest = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    worst = std::max<double>(worst, std::abs(a.data<float>()[i] - b.data<float>()[i]));
    largest = std::max<double>(largest, std::abs(b.data<float>()[i]));
  }
  return worst / largest;
}

constexpr Conv2dDims kWide{.n = 2, .h = 8, .w = 8, .c = 64, .k = 64, .r = 3, .s = 3, .padding = 1};

TEST(Conv2d, WinogradIsAnotherAlgorithmOfTheSameAccuracyClass) {
  const Conv2dRun run(kWide);
  for (const Conv2dPass pass : kPasses) {
    const Tensor direct = run(pass, Conv2dAlgorithm::kDirect);
    const Tensor winograd = run(pass, Conv2dAlgorithm::kWinograd);
    EXPECT_LT(relative_difference(winograd, direct), 1e-5);
    EXPECT_TRUE(!dnnl_has_winograd() || !same_bits(winograd, direct)) << "Winograd was not taken";
  }
  const bool is_version_2 = dnnl_version_text().starts_with("2.");
  EXPECT_TRUE(dnnl_has_winograd() || !cpu_has_bf16() || !is_version_2);
}

TEST(Conv2d, AutomaticChoiceIsOneOfTheTwo) {
  const Conv2dRun run(kWide);
  for (const Conv2dPass pass : kPasses) {
    EXPECT_TRUE(same_bits(run(pass, Conv2dAlgorithm::kAuto), run(pass, Conv2dAlgorithm::kWinograd)))
        << "64 channels are enough for Winograd";
  }
  Conv2dDims narrow = kWide;
  narrow.c = narrow.k = 16;
  const Conv2dRun narrow_run(narrow);
  for (const Conv2dPass pass : kPasses) {
    EXPECT_TRUE(same_bits(narrow_run(pass, Conv2dAlgorithm::kAuto),
                          narrow_run(pass, Conv2dAlgorithm::kDirect)));
  }
}

TEST(Conv2d, GivesTheSameBitsEachTime) {
  const Conv2dRun run(kWide);
  for (const auto algorithm : {Conv2dAlgorithm::kDirect, Conv2dAlgorithm::kWinograd}) {
    for (const Conv2dPass pass : kPasses) {
      const Tensor first = run(pass, algorithm);
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(same_bits(run(pass, algorithm), first));
    }
  }
}

TEST(Conv2d, ActivationsDoNotDependOnTheNumberOfThreads) {
  const Conv2dRun run(kWide);
  const int before = cpu_threads();
  for (const auto algorithm : {Conv2dAlgorithm::kDirect, Conv2dAlgorithm::kWinograd}) {
    for (const Conv2dPass pass : kPasses) {
      set_cpu_threads(1);
      const Tensor one = run(pass, algorithm);
      set_cpu_threads(2);
      const Tensor two = run(pass, algorithm);
      if (pass == Conv2dPass::kBackwardWeights) {
        EXPECT_LT(relative_difference(two, one), 1e-5);
      } else {
        EXPECT_TRUE(same_bits(two, one));
      }
    }
  }
  set_cpu_threads(before);
}

class Conv2dThreads : public testing::Test {
 protected:
  ~Conv2dThreads() override { set_cpu_threads(before_); }

 private:
  int before_ = cpu_threads();
};

/// The weight gradient with 1, 2, 3 and 5 threads.
std::vector<Tensor> weight_gradients_by_threads(const Conv2dRun& run) {
  std::vector<Tensor> gradients;
  for (const int threads : {1, 2, 3, 5}) {
    set_cpu_threads(threads);
    gradients.push_back(run(Conv2dPass::kBackwardWeights, Conv2dAlgorithm::kDirect));
    EXPECT_TRUE(
        same_bits(run(Conv2dPass::kBackwardWeights, Conv2dAlgorithm::kDirect), gradients.back()));
  }
  return gradients;
}

TEST_F(Conv2dThreads, StridedOneByOneFiltersOfNarrowImagesKeepToTheirWorkspace) {
  for (const int threads : {1, 2}) {
    set_cpu_threads(threads);
    for (const int64_t channels : {1, 3, 4, 12, 20}) {
      const Conv2dRun run(
          {.n = 2, .h = 16, .w = 16, .c = channels, .k = 8, .r = 1, .s = 1, .stride = 2});
      for (const Conv2dPass pass : kPasses) run(pass, Conv2dAlgorithm::kAuto);
    }
  }
}

TEST_F(Conv2dThreads, MoreThreadsThanPairsOfImagesAddUpTheSameBf16WeightGradient) {
  Conv2dDims narrow = kWide;
  narrow.c = narrow.k = 16;
  narrow.n = 7;
  const Conv2dRun run(narrow, Dtype::kBf16);
  const std::vector<Tensor> gradients = weight_gradients_by_threads(run);
  for (const Tensor& gradient : gradients)
    EXPECT_LT(relative_difference(gradient, gradients.front()), 1e-5);
}

TEST_F(Conv2dThreads, ALargeBf16WeightGradientDoesNotDependOnTheirNumber) {
  Conv2dDims large = kWide;
  large.c = 112;
  large.k = 136;
  large.h = large.w = 3;
  large.n = 3;
  const Conv2dRun run(large, Dtype::kBf16);
  const std::vector<Tensor> gradients = weight_gradients_by_threads(run);
  for (const Tensor& gradient : gradients) {
    if (cpu_has_bf16()) {
      EXPECT_TRUE(same_bits(gradient, gradients.front()));
    } else {
      EXPECT_LT(relative_difference(gradient, gradients.front()), 1e-5);
    }
  }
}

TEST(Conv2d, ComputesInBf16WithoutABf16CopyOfTheWeights) {
  const Var x(to_tensor(Array({1, 2, 2, 3}), Dtype::kBf16));
  const Var y = conv2d(x, Var(Tensor::zeros({4, 1, 1, 3}, Dtype::kF32)), {});
  EXPECT_EQ(y.dtype(), Dtype::kBf16);
  EXPECT_EQ(y.shape(), (Shape{1, 2, 2, 4}));
}

TEST(Conv2d, SaysWhatDoesNotFit) {
  const auto zeros = [](const Shape& s) { return Var(Tensor::zeros(s, Dtype::kF32)); };
  const Var x = zeros({2, 4, 4, 3});
  EXPECT_THAT(
      [&] {
        conv2d(zeros({4, 4, 3}), zeros({8, 3, 3, 3}), {});
      },
      ThrowsMessage<ShapeError>(HasSubstr("x f32 [4, 4, 3]; images are [N, H, W, C]")));
  EXPECT_THAT(
      [&] {
        conv2d(x, zeros({8, 27}), {});
      },
      ThrowsMessage<ShapeError>(HasSubstr("filters are [K, R, S, C]")));
  EXPECT_THAT(
      [&] {
        conv2d(x, zeros({8, 3, 3, 5}), {});
      },
      ThrowsMessage<ShapeError>(
          HasSubstr("x f32 [2, 4, 4, 3] has 3 channels but weight f32 [8, 3, 3, 5] expects 5")));
  EXPECT_THAT(
      [&] {
        conv2d(x, zeros({8, 7, 7, 3}), {.padding = 1});
      },
      ThrowsMessage<ShapeError>(HasSubstr("is larger than x")));
  EXPECT_THAT(
      [&] {
        conv2d(x, zeros({8, 3, 3, 3}), {.stride = 0});
      },
      ThrowsMessage<ShapeError>(HasSubstr("stride 0")));
  EXPECT_THAT(
      [&] {
        conv2d(Var(Tensor::zeros({1, 2, 2, 3}, Dtype::kU8)), zeros({8, 1, 1, 3}), {});
      },
      ThrowsMessage<DtypeError>(HasSubstr("u8 [1, 2, 2, 3] on cpu; f32 and bf16 are allowed")));
}

}  // namespace
}  // namespace rela::test
