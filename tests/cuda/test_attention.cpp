// The attention kernels against their oracle in double.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>
#include <tuple>

#include "kernels/attention/attention.h"
#include "kernels/libraries/cudnn/attention.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/oracle/attention.h"

namespace rela {
static std::ostream& operator<<(std::ostream& out, const AttentionDims& d) {
  return out << d.images << " images, " << d.tokens << " tokens, " << d.heads << " heads of "
             << d.width;
}
}  // namespace rela

namespace rela::test {
namespace {

/// While it lives, the library's forward pass is used if there is one: emulated, its substitute; on
/// a GPU this is always the case.
class UseLibrary {
#ifdef RELA_CUDA_SIMT
 public:
  UseLibrary() : before_(simt::options().library_attention) {
    simt::options().library_attention = true;
  }
  ~UseLibrary() { simt::options().library_attention = before_; }
  UseLibrary(const UseLibrary&) = delete;
  UseLibrary& operator=(const UseLibrary&) = delete;

 private:
  bool before_;
#endif
};

enum class Algorithm : uint8_t { kBuiltin, kProduct };
constexpr Algorithm kAlgorithms[] = {Algorithm::kBuiltin, Algorithm::kProduct};
const char* name_of(Algorithm algorithm) {
  return algorithm == Algorithm::kBuiltin ? "built-in" : "product";
}

void forward(Algorithm algorithm, const AttentionForwardArgs& args, const AttentionDims& dims,
             Dtype dtype) {
  if (algorithm == Algorithm::kBuiltin)
    return attention_forward_kernel_cuda(args, dims, dtype, kTestStream);
  [[maybe_unused]] const UseLibrary library;
  DeviceWorkspace scratch(attention_workspace_bytes_cuda(dims, dtype));
  attention_forward_cuda(args, dims, dtype, scratch.get(), kTestStream);
  simt::stream_synchronize(kTestStream);
}

constexpr Write kModes[] = {Write::kOverwrite, Write::kAccumulate};

class AttentionCuda : public ::testing::TestWithParam<std::tuple<AttentionDims, Dtype>> {
 protected:
  AttentionDims dims() const { return std::get<0>(GetParam()); }
  Dtype dtype() const { return std::get<1>(GetParam()); }
  /// The exponential's argument is rounded, and products in the gradient nearly cancel. bf16 also
  /// rounds the weights and their gradients before further multiplication, and the output.
  RoundingModel rounding(Dtype of, int roundings) const {
    return {.dtype = of,
            .reduction = std::max(dims().tokens, dims().width),
            .roundings = roundings,
            .slack = 4};
  }
  Random random_{1};
};
// One warp's rows and all warps' several times, ragged rows and chunks, both bounds of the width.
// From 257 tokens on (in f32 of width 128 from 129) they stream in tiles: ragged and whole ones.
INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionCuda,
    ::testing::Combine(
        ::testing::Values(AttentionDims{.images = 1, .tokens = 1, .heads = 2, .width = 16},
                          AttentionDims{.images = 2, .tokens = 17, .heads = 3, .width = 32},
                          AttentionDims{.images = 1, .tokens = 32, .heads = 1, .width = 64},
                          AttentionDims{.images = 1, .tokens = 33, .heads = 2, .width = 48},
                          AttentionDims{.images = 1, .tokens = 65, .heads = 1, .width = 128},
                          AttentionDims{.images = 1, .tokens = 79, .heads = 1, .width = 80},
                          AttentionDims{.images = 1, .tokens = 161, .heads = 1, .width = 128},
                          AttentionDims{.images = 1, .tokens = 257, .heads = 2, .width = 32},
                          AttentionDims{.images = 2, .tokens = 300, .heads = 1, .width = 16},
                          AttentionDims{.images = 1, .tokens = 384, .heads = 1, .width = 48},
                          AttentionDims{.images = 1, .tokens = 0, .heads = 1, .width = 16}),
        ::testing::ValuesIn(kStorageTypes)));

TEST_P(AttentionCuda, ForwardMatchesTheOracle) {
  const AttentionOracle oracle(dims());
  const Array qkv = random_array(oracle.qkv_shape(), random_, -2, 2);
  const Array want = oracle.forward(qkv), want_lse = oracle.lse(qkv);
  for_each_schedule([&] {
    const DeviceValues qkv_device = on_device(qkv, dtype());
    for (const Algorithm algorithm : kAlgorithms) {
      SCOPED_TRACE(name_of(algorithm));
      DeviceValues out(want.numel(), dtype());
      DeviceArray<float> lse(want_lse.numel());
      forward(algorithm, {qkv_device.data(), out.data(), lse.data()}, dims(), dtype());
      expect_near("out", out.download(), want, rounding(dtype(), 2));
      expect_near("lse", lse.download(), want_lse, rounding(Dtype::kF32, 1));
    }
  });
}

TEST_P(AttentionCuda, BackwardMatchesTheOracle) {
  const AttentionOracle oracle(dims());
  const Array qkv = random_array(oracle.qkv_shape(), random_, -2, 2);
  const Array dout = random_array(oracle.out_shape(), random_);
  const Array old = random_array(oracle.qkv_shape(), random_);
  const Array out = oracle.forward(qkv), lse = oracle.lse(qkv);
  const Array want = oracle.backward(qkv, dout);
  for_each_schedule([&] {
    const DeviceValues qkv_device = on_device(qkv, dtype()), out_device = on_device(out, dtype());
    const DeviceValues dout_device = on_device(dout, dtype());
    const DeviceArray<float> lse_device = on_device(lse);
    for (const Write mode : kModes) {
      DeviceValues dqkv = output_like(old, dtype(), mode);
      attention_backward_cuda({.qkv = qkv_device.data(),
                               .out = out_device.data(),
                               .lse = lse_device.data(),
                               .dout = dout_device.data(),
                               .dqkv = {dqkv.data(), mode}},
                              dims(), dtype(), kTestStream);
      expect_near("dqkv", dqkv.download(), expected(old, want, mode), rounding(dtype(), 3));
    }
  });
}

/// The most that a block holds: the largest shared memory.
TEST(AttentionCudaKernel, HoldsTheLongestShortSequenceOfTheWidestHeads) {
  const AttentionDims d{.images = 1, .tokens = 256, .heads = 1, .width = kAttentionWidth};
  const AttentionOracle oracle(d);
  Random random(1);
  const Array qkv = random_array(oracle.qkv_shape(), random);
  const Array want = oracle.forward(qkv);
  for_each_schedule([&] {
    const DeviceValues qkv_device = on_device(qkv, Dtype::kBf16);
    for (const Algorithm algorithm : kAlgorithms) {
      SCOPED_TRACE(name_of(algorithm));
      DeviceValues out(want.numel(), Dtype::kBf16);
      DeviceArray<float> lse(d.tokens);
      forward(algorithm, {qkv_device.data(), out.data(), lse.data()}, d, Dtype::kBf16);
      expect_near("out", out.download(), want,
                  {.dtype = Dtype::kBf16, .reduction = d.tokens, .roundings = 2, .slack = 4});
    }
  });
}

#ifdef RELA_CUDA_SIMT
/// A sequence that a block holds on an H100 and that streams on an RTX 4090. Emulated, a launch
/// that asks for more shared memory than the GPU has is refused.
TEST(AttentionCudaKernel, FitsTheSharedMemoryOfEveryGpu) {
  const AttentionDims d{.images = 1, .tokens = 256, .heads = 1, .width = 64};
  const AttentionOracle oracle(d);
  Random random(1);
  const Array qkv = random_array(oracle.qkv_shape(), random);
  const Array dout = random_array(oracle.out_shape(), random);
  const Array out = oracle.forward(qkv), lse = oracle.lse(qkv), dqkv = oracle.backward(qkv, dout);
  const RoundingModel rounding{
      .dtype = Dtype::kF32, .reduction = d.tokens, .roundings = 3, .slack = 4};
  const simt::Options before = simt::options();
  for (const auto& [major, minor] : {std::pair{8, 0}, {8, 6}, {8, 9}, {9, 0}, {12, 0}}) {
    SCOPED_TRACE(10 * major + minor);  // compute capability
    simt::options().device.major = major;
    simt::options().device.minor = minor;
    const DeviceValues qkv_device = on_device(qkv, Dtype::kF32);
    const DeviceValues out_device = on_device(out, Dtype::kF32);
    const DeviceValues dout_device = on_device(dout, Dtype::kF32);
    const DeviceArray<float> lse_device = on_device(lse);
    DeviceValues got_out(out.numel(), Dtype::kF32), got_dqkv(dqkv.numel(), Dtype::kF32);
    DeviceArray<float> got_lse(d.tokens);
    forward(Algorithm::kBuiltin, {qkv_device.data(), got_out.data(), got_lse.data()}, d,
            Dtype::kF32);
    attention_backward_cuda({.qkv = qkv_device.data(),
                             .out = out_device.data(),
                             .lse = lse_device.data(),
                             .dout = dout_device.data(),
                             .dqkv = {got_dqkv.data(), Write::kOverwrite}},
                            d, Dtype::kF32, kTestStream);
    expect_near("out", got_out.download(), out, rounding);
    expect_near("dqkv", got_dqkv.download(), dqkv, rounding);
  }
  simt::options() = before;
}
#endif

TEST(AttentionCudaKernel, HugeScoresPickTheirKey) {
  for_each_schedule([] {
    std::vector<float> qkv(3 * 48);
    for (size_t token = 0; token < 3; ++token) {
      qkv[token * 48 + token] = 1e4f;                 // query
      qkv[token * 48 + 16 + (token + 1) % 3] = 1e4f;  // key
      qkv[token * 48 + 32] = static_cast<float>(token);
    }
    for (const Dtype dtype : kStorageTypes) {
      const DeviceValues qkv_device(qkv, dtype);
      for (const Algorithm algorithm : kAlgorithms) {
        SCOPED_TRACE(name_of(algorithm));
        DeviceValues out(48, dtype);
        DeviceArray<float> lse(size_t{3});
        forward(algorithm, {qkv_device.data(), out.data(), lse.data()},
                {.images = 1, .tokens = 3, .heads = 1, .width = 16}, dtype);
        const std::vector<float> got = out.download();
        for (size_t token = 0; token < 3; ++token) {
          EXPECT_EQ(got[token * 16], static_cast<float>((token + 2) % 3));
        }
      }
    }
  });
}

/// Tokens of short sequences and of long ones.
class AttentionCudaLength : public ::testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Tokens, AttentionCudaLength, ::testing::Values(5, 40, 290));

/// Chunks of keys with weight zero come before those that count.
TEST_P(AttentionCudaLength, ManyScoresOfMinusInfinityWeighNothing) {
  const auto tokens = static_cast<size_t>(GetParam());
  constexpr size_t kWidth = 16, kRow = 3 * kWidth;
  for_each_schedule([&] {
    std::vector<float> qkv(tokens * kRow, 0.0f);
    for (size_t token = 0; token < tokens; ++token) {
      qkv[token * kRow] = 1.0f;
      qkv[token * kRow + kWidth] =
          token + 4 < tokens ? -std::numeric_limits<float>::infinity() : 0.0f;
      qkv[token * kRow + 2 * kWidth] = static_cast<float>(token);
    }
    const DeviceArray<float> qkv_device(qkv);
    DeviceArray<float> out(tokens * kWidth), lse(tokens);
    attention_forward_kernel_cuda({qkv_device.data(), out.data(), lse.data()},
                                  {.images = 1, .tokens = GetParam(), .heads = 1, .width = kWidth},
                                  Dtype::kF32, kTestStream);
    EXPECT_NEAR(out.download()[0], static_cast<float>(tokens) - 2.5f, 1e-4f);  // mean of four
    EXPECT_NEAR(lse.download()[0], std::log(4.0f), 1e-6f);
  });
}

/// Every key outweighs all before it: sums so far shrink to nothing.
TEST_P(AttentionCudaLength, GrowingScoresPickTheLastKey) {
  const auto tokens = static_cast<size_t>(GetParam());
  constexpr size_t kWidth = 16, kRow = 3 * kWidth;
  for_each_schedule([&] {
    std::vector<float> qkv(tokens * kRow, 0.0f);
    for (size_t token = 0; token < tokens; ++token) {
      qkv[token * kRow] = 1e3f;
      qkv[token * kRow + kWidth] = static_cast<float>(token);
      qkv[token * kRow + 2 * kWidth] = static_cast<float>(tokens - token);
    }
    for (const Dtype dtype : kStorageTypes) {
      const DeviceValues qkv_device(qkv, dtype);
      DeviceValues out(tokens * kWidth, dtype);
      DeviceArray<float> lse(tokens);
      attention_forward_kernel_cuda(
          {qkv_device.data(), out.data(), lse.data()},
          {.images = 1, .tokens = GetParam(), .heads = 1, .width = kWidth}, dtype, kTestStream);
      // bf16 cannot tell apart the last keys of a long sequence.
      const float tolerance = dtype == Dtype::kBf16 && tokens > 256 ? 2.0f : 0.0f;
      EXPECT_NEAR(out.download()[0], 1.0f, tolerance) << dtype_name(dtype);
    }
  });
}

/// exp(-lse) overflows f32: keys past the last one must not get that weight.
TEST_P(AttentionCudaLength, ScoresFarBelowZeroKeepTheirGradients) {
  const AttentionDims d{.images = 1, .tokens = GetParam(), .heads = 1, .width = 16};
  const AttentionOracle oracle(d);
  Random random(1);
  Array qkv = random_array(oracle.qkv_shape(), random);
  for (int64_t token = 0; token < d.tokens; ++token) {
    qkv[token * 48] = 20;        // query
    qkv[token * 48 + 16] = -40;  // key: the scores are about -200
  }
  const Array dout = random_array(oracle.out_shape(), random);
  const Array out = oracle.forward(qkv), lse = oracle.lse(qkv);
  const Array want = oracle.backward(qkv, dout);
  for_each_schedule([&] {
    const DeviceArray<float> qkv_device = on_device(qkv), out_device = on_device(out);
    const DeviceArray<float> lse_device = on_device(lse), dout_device = on_device(dout);
    DeviceArray<float> dqkv(qkv.numel());
    attention_backward_cuda({.qkv = qkv_device.data(),
                             .out = out_device.data(),
                             .lse = lse_device.data(),
                             .dout = dout_device.data(),
                             .dqkv = {dqkv.data()}},
                            d, Dtype::kF32, kTestStream);
    // lse and the scores near it are rounded around 200: the weights have 8 fewer correct bits.
    expect_near("dqkv", dqkv.download(), want, {.reduction = d.width, .slack = 256});
  });
}

TEST_P(AttentionCudaLength, NanStaysInItsImageAndHead) {
  const AttentionDims d{.images = 2, .tokens = GetParam(), .heads = 2, .width = 16};
  const auto tokens = static_cast<size_t>(d.tokens);
  const AttentionOracle oracle(d);
  Random random(1);
  std::vector<float> qkv = to_floats(random_array(oracle.qkv_shape(), random));
  const size_t head = 1, key_of_token_3 = (3 * 3 + 1) * 32 + head * 16;
  qkv[tokens * 96 + key_of_token_3] = std::numeric_limits<float>::quiet_NaN();
  for_each_schedule([&] {
    for (const Dtype dtype : kStorageTypes) {
      const DeviceValues qkv_device(qkv, dtype);
      for (const Algorithm algorithm : kAlgorithms) {
        SCOPED_TRACE(name_of(algorithm));
        DeviceValues out(2 * tokens * 32, dtype);
        DeviceArray<float> lse(2 * 2 * tokens);
        forward(algorithm, {qkv_device.data(), out.data(), lse.data()}, d, dtype);
        const std::vector<float> got = out.download();
        for (size_t i = 0; i < got.size(); ++i) {
          const bool is_touched = i / (tokens * 32) == 1 && i % 32 / 16 == head;
          EXPECT_EQ(std::isnan(got[i]), is_touched) << i;
        }
      }
    }
  });
}

/// A vision transformer's call, directly to the library interface.
TEST(LibraryAttention, MatchesTheOracle) {
  const AttentionDims d{.images = 2, .tokens = 65, .heads = 3, .width = 64};
  const AttentionOracle oracle(d);
  Random random(1);
  const Array qkv = random_array(oracle.qkv_shape(), random, -2, 2);
  const Array want = oracle.forward(qkv), want_lse = oracle.lse(qkv);
  for_each_schedule([&] {
    [[maybe_unused]] const UseLibrary library;
    for (const Dtype dtype : {Dtype::kBf16, Dtype::kF16}) {
      const AttentionCall call{d, dtype};
      ASSERT_TRUE(has_library_attention(call));
      const DeviceValues qkv_device = on_device(qkv, dtype);
      DeviceValues out(want.numel(), dtype);
      DeviceArray<float> lse(want_lse.numel());
      DeviceWorkspace scratch(library_attention_workspace_bytes(call));
      library_attention(call, {qkv_device.data(), out.data(), lse.data()}, scratch.get(),
                        kTestStream);
      const RoundingModel rounding{.reduction = d.tokens, .slack = 4};
      RoundingModel narrow = rounding;
      narrow.dtype = dtype;
      narrow.roundings = 2;
      expect_near("out", out.download(), want, narrow);
      expect_near("lse", lse.download(), want_lse, rounding);
    }
  });
}

#ifdef RELA_CUDA_SIMT
/// Emulated training is meant to exercise the built-in kernel. The library's substitute widens f16.
TEST(LibraryAttention, ServesOnlyWhenAskedFor) {
  const AttentionDims d{.images = 1, .tokens = 5, .heads = 1, .width = 16};
  const auto bytes = [&](Dtype dtype) { return attention_workspace_bytes_cuda(d, dtype); };
  EXPECT_EQ(bytes(Dtype::kF16), 0u);
  const UseLibrary library;
  EXPECT_GT(bytes(Dtype::kF16), 0u);
  EXPECT_EQ(bytes(Dtype::kF32), 0u);
  EXPECT_EQ(attention_workspace_bytes_cuda({.tokens = 5, .heads = 1, .width = 16}, Dtype::kF16),
            0u);
}
#endif

TEST(LibraryAttention, NeverServesF32) {
  const AttentionDims d{.images = 2, .tokens = 65, .heads = 3, .width = 64};
  const AttentionOracle oracle(d);
  Random random(1);
  const DeviceValues qkv = on_device(random_array(oracle.qkv_shape(), random, -2, 2), Dtype::kF32);
  std::vector<std::vector<float>> outputs;
  for (const Algorithm algorithm : kAlgorithms) {
    DeviceValues out(d.images * d.tokens * d.heads * d.width, Dtype::kF32);
    DeviceArray<float> lse(d.images * d.heads * d.tokens);
    forward(algorithm, {qkv.data(), out.data(), lse.data()}, d, Dtype::kF32);
    outputs.push_back(out.download());
  }
  EXPECT_EQ(outputs[0], outputs[1]);  // bit-identical to the built-in kernel
}

}  // namespace
}  // namespace rela::test
