// Every convolution of the ResNets is planned by the real cuDNN for an H200, without a GPU: plans
// are made from the description of a device. Only a GPU can tell which of them is fast.

#include <gmock/gmock.h>

#include <algorithm>
#include <ostream>
#include <set>

#include "kernels/conv/pad_channels.h"
#include "nn/backbone.h"
#include "tests/cuda/described_h200.h"
#include "tests/cuda/resnet_convolutions.h"

#ifdef RELA_HAS_CUDNN
#include "kernels/libraries/cudnn/convolution_plan.h"
#endif

/// Read by AddressSanitizer if it is built in: cuDNN's engines, unloaded by then, keep memory until
/// the process ends.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }

namespace rela::test {
namespace {

/// Filter shapes of a network's convolutions, sorted.
std::vector<std::vector<int64_t>> filters_of(const ResNetCase& net) {
  std::vector<std::vector<int64_t>> shapes;
  for (const Conv2dDims& d : all_convolutions(net, 1)) shapes.push_back({d.k, d.r, d.s, d.c});
  std::sort(shapes.begin(), shapes.end());
  return shapes;
}
std::vector<std::vector<int64_t>> filters_of(const BackboneSpec& spec) {
  std::vector<std::vector<int64_t>> shapes;
  for (const NamedParameter& p : make_backbone(spec)->parameters()) {
    const Shape& s = p.var.value().shape();
    if (p.kind == ParameterKind::kConvWeight) shapes.push_back({s[0], s[1], s[2], s[3]});
  }
  std::sort(shapes.begin(), shapes.end());
  return shapes;
}

TEST(ResNetConvolutions, TableHasTheFiltersOfTheModels) {
  EXPECT_EQ(filters_of(resnet_cases()[0]), filters_of(ResNetSpec{.name = "resnet18"}));
  EXPECT_EQ(filters_of(resnet_cases()[1]),
            filters_of(ResNetSpec{.name = "resnet18", .cifar_stem = false}));
  EXPECT_EQ(filters_of(resnet_cases()[4]), filters_of(CifarResNetSpec{.name = "resnet56_cifar"}));
  EXPECT_EQ(filters_of(resnet_cases()[2]), filters_of(ResNetSpec{.name = "resnet50"}));
  EXPECT_EQ(filters_of(resnet_cases()[3]),
            filters_of(ResNetSpec{.name = "resnet50", .cifar_stem = false}));
}

#ifndef RELA_HAS_CUDNN

TEST(CudnnPlans, ServeEveryConvolution) {
  GTEST_SKIP() << "cuDNN 9.13 or later is not installed (Debian package cudnn9-cuda-13 of NVIDIA's "
                  "repository; CUDNN_ROOT names its folder): its plans are not checked";
}

#else

struct Arithmetic {
  const char* name;
  Dtype dtype;
  F32Math f32_math;
  int64_t largest_batch_224;
};
constexpr Arithmetic kArithmetics[] = {{"bf16", Dtype::kBf16, F32Math::kExact, 256},
                                       {"f16", Dtype::kF16, F32Math::kExact, 256},
                                       {"f32", Dtype::kF32, F32Math::kExact, 128},
                                       {"f32 by tf32", Dtype::kF32, F32Math::kTf32, 128}};

struct PlanCase {
  const ResNetCase* net;
  const Arithmetic* arithmetic;
};
std::ostream& operator<<(std::ostream& out, const PlanCase& c) {
  return out << c.net->name << ", " << c.arithmetic->name;
}
std::vector<PlanCase> plan_cases() {
  std::vector<PlanCase> all;
  for (const ResNetCase& net : resnet_cases())
    for (const Arithmetic& arithmetic : kArithmetics) all.push_back({&net, &arithmetic});
  return all;
}

/// Every call that training and inference make: two views of a batch in one pass, a batch of
/// inference, and the last batch of an uneven data set.
std::vector<ConvolutionCall> calls_of(const PlanCase& c) {
  const int64_t batch = c.net->image == 32 ? 1024 : 2 * c.arithmetic->largest_batch_224;
  std::vector<ConvolutionCall> calls;
  const auto add = [&](const Conv2dDims& d, Conv2dPass pass, Write mode) {
    const Conv2dProblem problem{.dims = d, .dtype = c.arithmetic->dtype};
    calls.push_back({.dims = padded_dims(problem, pass),
                     .pass = pass,
                     .dtype = c.arithmetic->dtype,
                     .mode = mode,
                     .f32_math = c.arithmetic->f32_math});
  };
  for (const Conv2dDims& d : distinct_convolutions(*c.net, batch)) {
    add(d, Conv2dPass::kForward, Write::kOverwrite);
    for (const Write mode : {Write::kOverwrite, Write::kAccumulate}) {
      add(d, Conv2dPass::kBackwardWeights, mode);
      if (d.c != 3) add(d, Conv2dPass::kBackwardData, mode);  // not needed for an image
    }
  }
  for (const int64_t n : {batch / 2, int64_t{7}}) {
    for (const Conv2dDims& d : distinct_convolutions(*c.net, n))
      add(d, Conv2dPass::kForward, Write::kOverwrite);
  }
  return calls;
}

class CudnnPlans : public ::testing::TestWithParam<PlanCase> {};

constexpr size_t kWorkspaceLimit = plan_workspace_limit(kH200MemoryBytes);

/// The engine without tensor cores that runs anything, slowly.
bool is_engine_0(const EngineProposals& proposals, size_t i) {
  return proposals.name(i).starts_with("engine 0,");
}
bool only_engine_0_fits(const EngineProposals& proposals) {
  for (size_t i = 0; i < proposals.size(); ++i) {
    if (is_engine_0(proposals, i)) continue;
    try {
      if (proposals.plan(i).workspace_bytes() <= kWorkspaceLimit) return false;
    } catch (const CudnnError&) {  // refused after all
    }
  }
  return true;
}

TEST_P(CudnnPlans, ServeEveryConvolution) {
  const CudnnDescriptor h200 = cudnn_device_from_json(kH200);
  size_t largest_workspace = 0;
  int planned = 0;
  for (const ConvolutionCall& call : calls_of(GetParam())) {
    try {
      const EngineProposals proposals = convolution_proposals(call, h200);
      const EngineProposals::Ranked taken = proposals.ranked_plan(kWorkspaceLimit);
      largest_workspace = std::max(largest_workspace, taken.plan.workspace_bytes());
      ++planned;
      EXPECT_TRUE(!is_engine_0(proposals, taken.i) || only_engine_0_fits(proposals))
          << describe(call);
    } catch (const CudnnError& refusal) {
      ADD_FAILURE() << describe(call) << ": " << refusal.what();
    }
  }
  RecordProperty("planned", planned);
  RecordProperty("largest_workspace_mib", static_cast<int>(largest_workspace >> 20));
  EXPECT_GT(planned, 0);
}
INSTANTIATE_TEST_SUITE_P(ResNets, CudnnPlans, ::testing::ValuesIn(plan_cases()));

/// A network's first convolution, on 16-bit images, in a pass of training.
struct StemCase {
  Conv2dProblem problem;
  Conv2dPass pass;

  ConvolutionCall call(const Conv2dDims& dims, Dtype dtype) const {
    return {.dims = dims, .pass = pass, .dtype = dtype};
  }
  ConvolutionCall call() const { return call(padded_dims(problem, pass), problem.dtype); }
  size_t bytes_of_padded_images() const {
    const Conv2dDims& d = problem.dims;
    return static_cast<size_t>(d.n * d.h * d.w * kPaddedChannels) * dtype_bytes(problem.dtype);
  }
};
std::vector<StemCase> stem_cases(std::initializer_list<Dtype> dtypes) {
  std::vector<StemCase> all;
  for (const ResNetCase& net : resnet_cases()) {
    const Conv2dDims stem = all_convolutions(net, net.image == 32 ? 1024 : 512).front();
    for (const Dtype dtype : dtypes) {
      for (const Conv2dPass pass : {Conv2dPass::kForward, Conv2dPass::kBackwardWeights})
        all.push_back({{.dims = stem, .dtype = dtype}, pass});
    }
  }
  return all;
}

std::string engine_in(const std::string& name) { return name.substr(0, name.find(',')); }

/// Whether the call's plan, the first of the ranking, leaves the images as they are and has tensor
/// cores: its engine is none of those that cuDNN has for exact f32.
bool reads_images_at_full_speed(const StemCase& stem, const ConvolutionCall& call) {
  const CudnnDescriptor h200 = cudnn_device_from_json(kH200);
  const EngineProposals proposals = convolution_proposals(call, h200);
  const EngineProposals::Ranked taken = proposals.ranked_plan(kWorkspaceLimit);
  const EngineProposals exact = convolution_proposals(stem.call(call.dims, Dtype::kF32), h200);
  bool has_tensor_cores = true;
  for (size_t i = 0; i < exact.size(); ++i)
    has_tensor_cores &= engine_in(exact.name(i)) != engine_in(proposals.name(taken.i));
  return has_tensor_cores && taken.plan.workspace_bytes() < stem.bytes_of_padded_images();
}

TEST(CudnnStemPlans, NeitherPadImagesNorGoWithoutTensorCores) {
  for (const StemCase& stem : stem_cases({Dtype::kBf16, Dtype::kF16}))
    EXPECT_TRUE(reads_images_at_full_speed(stem, stem.call())) << describe(stem.call());
}

TEST(CudnnStemPlans, WouldWithThreeChannelsOfBf16) {  // which is why we pad
  for (const StemCase& stem : stem_cases({Dtype::kBf16})) {
    const ConvolutionCall call = stem.call(stem.problem.dims, Dtype::kBf16);
    EXPECT_FALSE(reads_images_at_full_speed(stem, call)) << describe(call);
  }
}

TEST(CudnnPlan, WorkspacesGrowWithTheDevice) {
  EXPECT_EQ(plan_workspace_limit(size_t{8} << 30), size_t{1} << 30);
  EXPECT_EQ(plan_workspace_limit(size_t{80} << 30), size_t{80} << 25);
}

TEST(CudnnPlan, ARefusalGivesCudnnsReason) {
  const CudnnDescriptor h200 = cudnn_device_from_json(kH200);
  ConvolutionCall call{.dims = {.n = 1, .h = 1, .w = 1, .c = 8, .k = 8, .r = 3, .s = 3}};
  EXPECT_THAT([&] { convolution_proposals(call, h200); },  // an output without pixels
              testing::ThrowsMessage<simt::Error>(testing::HasSubstr("CUDNN_STATUS_BAD_PARAM")));
}

TEST(CudnnPlan, ProposalsHaveNamesThatAreTheirOwnAndStay) {
  const CudnnDescriptor h200 = cudnn_device_from_json(kH200);
  const ConvolutionCall call{
      .dims = {.n = 64, .h = 32, .w = 32, .c = 64, .k = 64, .r = 3, .s = 3, .padding = 1},
      .dtype = Dtype::kBf16};
  const auto names = [&] {
    const EngineProposals proposals = convolution_proposals(call, h200);
    std::vector<std::string> all;
    for (size_t i = 0; i < proposals.size(); ++i) all.push_back(proposals.name(i));
    return all;
  };
  const std::vector<std::string> first = names();
  EXPECT_GE(first.size(), 2u);
  EXPECT_THAT(first, testing::Each(testing::MatchesRegex("engine [0-9]+,( [0-9]+=-?[0-9]+)*")));
  EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), first.size());
  EXPECT_EQ(names(), first);
}

TEST(CudnnPlan, CallsThatDifferReadDifferently) {
  ConvolutionCall call{
      .dims = {
          .n = 8, .h = 32, .w = 30, .c = 3, .k = 64, .r = 3, .s = 5, .stride = 2, .padding = 1}};
  EXPECT_EQ(describe(call), "forward f32 exact auto overwrite 8x32x30x3 to 64, 3x5 / 2 + 1");
  call.pass = Conv2dPass::kBackwardWeights;
  call.dtype = Dtype::kBf16;
  call.mode = Write::kAccumulate;
  call.f32_math = F32Math::kTf32;
  call.algorithm = Conv2dAlgorithm::kDirect;
  EXPECT_EQ(describe(call),
            "weight gradient bf16 tf32 direct accumulate 8x32x30x3 to 64, 3x5 / 2 + 1");
}

TEST(CudnnPlan, KeepsToTheTermsOfTheCall) {
  const auto takes = [](ConvolutionCall call, cudnnBackendNumericalNote_t note) {
    return accepts(call, std::span(&note, 1));
  };
  const ConvolutionCall bf16{.dtype = Dtype::kBf16};
  const ConvolutionCall f16{.dtype = Dtype::kF16};
  const ConvolutionCall exact{.dtype = Dtype::kF32};
  const ConvolutionCall tf32{.dtype = Dtype::kF32, .f32_math = F32Math::kTf32};
  const ConvolutionCall direct{.dtype = Dtype::kF32, .algorithm = Conv2dAlgorithm::kDirect};
  EXPECT_TRUE(takes(bf16, CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
  EXPECT_TRUE(takes(f16, CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
  EXPECT_TRUE(takes(tf32, CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
  EXPECT_FALSE(takes(exact, CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
  EXPECT_TRUE(takes(exact, CUDNN_NUMERICAL_NOTE_WINOGRAD));
  EXPECT_FALSE(takes(direct, CUDNN_NUMERICAL_NOTE_WINOGRAD));
  for (const ConvolutionCall& call : {bf16, f16, exact, tf32}) {
    EXPECT_FALSE(takes(call, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC));
    EXPECT_FALSE(takes(call, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
    EXPECT_FALSE(takes(call, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION));
  }
}

#endif

}  // namespace
}  // namespace rela::test
