// The attention of vision transformers as the real cuDNN plans it for an H200, without a GPU.
//
// Its engines are compiled when a plan is finalised, and then loaded by the driver, without which
// cuDNN proposes none. The toolkit has a stub of the driver: with it, everything works up to the
// loading, which the stub refuses. These tests accept that refusal, identified by its status and
// call, as success, besides a finalised plan; unsupported calls and code that does not compile fail
// differently.
//
// There are no rows for the patch embedding: kernels/embed/patches.h splits the images and a matrix
// product does the rest, so no convolution is involved.

#include <dlfcn.h>
#include <gmock/gmock.h>

#include <ostream>
#include <vector>

#include "kernels/libraries/cudnn/attention_plan.h"
#include "tests/cuda/described_h200.h"

namespace rela::test {
namespace {

struct VitCase {
  const char* name;
  int64_t tokens, heads;
  int64_t batch;  // for inference; training takes two views of it
};
constexpr VitCase kVits[] = {{"ViT-B/16 at 224", 197, 12, 128},
                             {"ViT-S/16 at 224", 197, 6, 256},
                             {"ViT-S/4 at 32", 65, 6, 512},
                             {"DINOv2's ViT-S/14 at 224", 257, 6, 256},
                             {"ViT-B/16 at 384", 577, 12, 64}};

struct PlanCase {
  VitCase vit;
  Dtype dtype;
};
std::ostream& operator<<(std::ostream& out, const PlanCase& c) {
  return out << c.vit.name << ", " << dtype_name(c.dtype);
}
std::vector<PlanCase> plan_cases() {
  std::vector<PlanCase> all;
  for (const VitCase& vit : kVits)
    for (const Dtype dtype : {Dtype::kBf16, Dtype::kF16}) all.push_back({vit, dtype});
  return all;
}
/// The calls of training and of inference.
std::vector<AttentionCall> calls_of(const PlanCase& c) {
  std::vector<AttentionCall> calls;
  for (const int64_t images : {2 * c.vit.batch, c.vit.batch}) {
    calls.push_back(
        {{.images = images, .tokens = c.vit.tokens, .heads = c.vit.heads, .width = 64}, c.dtype});
  }
  return calls;
}

/// Loads the stub under the name by which cuDNN looks for the driver.
bool load_driver_stub() {
  static void* const stub = dlopen(RELA_CUDA_DRIVER_STUB, RTLD_NOW | RTLD_GLOBAL);
  return stub != nullptr;
}

/// Empty if the proposal's plan is finalised, or compiled with only its loading refused.
std::string refusal(const EngineProposals& proposals, size_t i) {
  try {
    proposals.plan(i);
  } catch (const CudnnError& e) {
    const bool is_compiled = e.status() == CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER &&
                             std::string(e.what()).find("cuLibraryLoadData") != std::string::npos;
    if (!is_compiled) return proposals.name(i) + ": " + e.what();
  }
  return "";
}

class CudnnAttention : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!load_driver_stub()) {
      GTEST_SKIP() << "the toolkit's stub of the driver (stubs/libcuda.so of NVIDIA's package "
                      "cuda-driver-dev-13-0) was not found: cuDNN's attention is not checked";
    }
  }
};

class CudnnAttentionPlans : public CudnnAttention,
                            public ::testing::WithParamInterface<PlanCase> {};

TEST_P(CudnnAttentionPlans, ServeTheForwardPass) {
  const CudnnDescriptor h200 = cudnn_device_from_json(kH200);
  for (const AttentionCall& call : calls_of(GetParam())) {
    SCOPED_TRACE(describe(call));
    const EngineProposals proposals = attention_proposals(call, h200);
    ASSERT_GT(proposals.size(), 0u) << "no engine gives the same bits every time";
    EXPECT_EQ(refusal(proposals, 0), "");
  }
}
INSTANTIATE_TEST_SUITE_P(Vits, CudnnAttentionPlans, ::testing::ValuesIn(plan_cases()));

TEST_F(CudnnAttention, OfHeadsThatCudnnDoesNotTakeIsRefused) {
  const CudnnDescriptor h200 = cudnn_device_from_json(kH200);
  const AttentionCall call{{.images = 2, .tokens = 17, .heads = 2, .width = 12}};
  EXPECT_THAT(
      [&] { attention_proposals(call, h200).ranked_plan(plan_workspace_limit(kH200MemoryBytes)); },
      testing::ThrowsMessage<simt::Error>(testing::HasSubstr("CUDNN_STATUS_NOT_SUPPORTED")));
}

/// Offset of element (n, token, which, h, c) in [N, T, 3, H, D], and of (n, token, h, c) in [N, T,
/// H, D].
int64_t packed_at(const AttentionDims& d, int64_t n, int64_t token, int64_t which, int64_t h,
                  int64_t c) {
  return (((n * d.tokens + token) * 3 + which) * d.heads + h) * d.width + c;
}
int64_t out_at(const AttentionDims& d, int64_t n, int64_t token, int64_t h, int64_t c) {
  return ((n * d.tokens + token) * d.heads + h) * d.width + c;
}
int64_t at(const GraphTensor& t, const std::array<int64_t, 4>& index) {
  int64_t offset = 0;
  for (size_t axis = 0; axis < 4; ++axis) {
    EXPECT_LT(index[axis], t.dims[axis]);
    offset += index[axis] * t.strides[axis];
  }
  return offset;
}

TEST(AttentionGraph, FindsEveryElementOfThePackedArrays) {
  const AttentionDims d{.images = 2, .tokens = 3, .heads = 5, .width = 16};
  const AttentionGraph graph(d);
  for (int64_t n = 0; n < d.images; ++n)
    for (int64_t h = 0; h < d.heads; ++h)
      for (int64_t token = 0; token < d.tokens; ++token) {
        EXPECT_EQ(at(graph.lse, {n, h, token, 0}), (n * d.heads + h) * d.tokens + token);
        for (const int64_t c : {int64_t{0}, d.width - 1}) {
          const std::array<int64_t, 4> index{n, h, token, c};
          EXPECT_EQ(at(graph.q, index), packed_at(d, n, token, 0, h, c));
          EXPECT_EQ(graph.part + at(graph.k, index), packed_at(d, n, token, 1, h, c));
          EXPECT_EQ(2 * graph.part + at(graph.v, index), packed_at(d, n, token, 2, h, c));
          EXPECT_EQ(at(graph.out, index), out_at(d, n, token, h, c));
        }
      }
}

TEST(AttentionGraph, TakesItsOperandsFromOneArray) {
  const AttentionCall call{{.images = 2, .tokens = 3, .heads = 5, .width = 16}, Dtype::kF16};
  const AttentionGraph graph(call.dims);
  const std::vector<std::byte> array(static_cast<size_t>(2 * 3 * 3 * graph.part * 2));
  const std::byte* const qkv = array.data();
  const std::byte* const keys = qkv + 2 * graph.part;
  const std::byte* const values = qkv + 4 * graph.part;
  std::byte out{};
  float lse = 0;
  const GraphMemory memory = graph_memory(call, {.qkv = qkv, .out = &out, .lse = &lse});
  using testing::Pair;
  EXPECT_THAT(memory.tensors,
              testing::UnorderedElementsAre(Pair(graph.q.id, qkv), Pair(graph.k.id, keys),
                                            Pair(graph.v.id, values), Pair(graph.out.id, &out),
                                            Pair(graph.lse.id, &lse)));
  EXPECT_THAT(memory.numbers, testing::ElementsAre(Pair(graph.scale_id, 0.25f)));
}

TEST(AttentionCall, CallsThatDifferReadDifferently) {
  AttentionCall call{{.images = 256, .tokens = 197, .heads = 12, .width = 64}};
  EXPECT_EQ(describe(call), "attention bf16 256x197, 12 heads of 64");
  call.dtype = Dtype::kF16;
  EXPECT_EQ(describe(call), "attention f16 256x197, 12 heads of 64");
}

TEST(EngineNotes, NoEngineIsTakenThatRoundsMoreOrGivesOtherBits) {
  const auto takes = [](cudnnBackendNumericalNote_t note) {
    return keeps_bits_and_sums(std::span(&note, 1));
  };
  EXPECT_TRUE(takes(CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
  EXPECT_FALSE(takes(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC));
  EXPECT_FALSE(takes(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
  EXPECT_FALSE(takes(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION));
}

}  // namespace
}  // namespace rela::test
