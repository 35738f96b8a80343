// Patches and token embeddings on the cuda device against their oracles in double.

#include <gtest/gtest.h>

#include <ostream>
#include <tuple>

#include "kernels/embed/patches.h"
#include "kernels/embed/token_embed.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/oracle/embed.h"

namespace rela::test {
namespace {

constexpr Write kModes[] = {Write::kOverwrite, Write::kAccumulate};

struct Cut {
  Shape x;
  int64_t patch;
};
std::ostream& operator<<(std::ostream& out, const Cut& c) {
  return out << to_string(c.x) << " patch " << c.patch;
}

class PatchesCuda : public ::testing::TestWithParam<std::tuple<Cut, Dtype>> {};
// Whole and ragged runs, several blocks across a line, one pixel, nothing.
INSTANTIATE_TEST_SUITE_P(
    Shapes, PatchesCuda,
    ::testing::Combine(::testing::Values(Cut{{2, 32, 16, 3}, 16}, Cut{{2, 6, 9, 3}, 3},
                                         Cut{{1, 14, 28, 3}, 14}, Cut{{1, 8, 800, 3}, 8},
                                         Cut{{1, 2, 700, 1}, 2}, Cut{{1, 1, 1, 1}, 1},
                                         Cut{{0, 4, 4, 3}, 2}),
                       ::testing::ValuesIn(kStorageTypes)));

TEST_P(PatchesCuda, MatchTheOracleThereAndBack) {
  const auto& [cut, dtype] = GetParam();
  const PatchDims d = patch_dims(cut.x, cut.patch);
  Random random(1);
  const Array x = random_array(cut.x, random), old = random_array(cut.x, random);
  const Array want = patches_oracle(d, x);
  const Array dy = random_array(want.shape, random);
  const Array want_dx = patches_backward_oracle(d, dy);
  for_each_schedule([&, dtype = dtype] {
    const DeviceValues x_device = on_device(x, dtype), dy_device = on_device(dy, dtype);
    DeviceValues y(want.numel(), dtype);
    patches_forward_cuda(d, x_device.data(), y.data(), dtype, kTestStream);
    EXPECT_EQ(y.download(), to_floats(want));
    for (const Write mode : kModes) {
      DeviceValues dx = output_like(old, dtype, mode);
      patches_backward_cuda(d, dy_device.data(), {dx.data(), mode}, dtype, kTestStream);
      expect_near("dx", dx.download(), expected(old, want_dx, mode), {.dtype = dtype});
    }
  });
}

class TokenEmbedCuda : public ::testing::TestWithParam<std::tuple<Shape, Dtype>> {};
// Whole and ragged rows, several blocks of tokens, several parts of the sum, a class token alone.
INSTANTIATE_TEST_SUITE_P(Shapes, TokenEmbedCuda,
                         ::testing::Combine(::testing::Values(Shape{2, 196, 16}, Shape{67, 2, 33},
                                                              Shape{33, 1, 8}, Shape{3, 0, 5},
                                                              Shape{0, 4, 8}),
                                            ::testing::ValuesIn(kStorageTypes)));

TEST_P(TokenEmbedCuda, ForwardMatchesTheOracle) {
  const auto& [shape, dtype] = GetParam();
  const TokenEmbedDims d = token_dims(shape);
  Random random(1);
  const Array x = random_array(shape, random), class_token = random_array({d.width}, random);
  const Array position = random_array({d.tokens(), d.width}, random);
  const Array want = token_embed_oracle(x, class_token, position);
  for_each_schedule([&, dtype = dtype] {
    const DeviceValues x_device = on_device(x, dtype);
    const DeviceArray<float> class_device = on_device(class_token);
    const DeviceArray<float> position_device = on_device(position);
    DeviceValues y(want.numel(), dtype);
    token_embed_forward_cuda({.x = x_device.data(),
                              .class_token = class_device.data(),
                              .position = position_device.data(),
                              .y = y.data()},
                             d, dtype, kTestStream);
    expect_near("y", y.download(), want, {.dtype = dtype});
  });
}

TEST_P(TokenEmbedCuda, BackwardMatchesTheOracle) {
  const auto& [shape, dtype] = GetParam();
  const TokenEmbedDims d = token_dims(shape);
  Random random(1);
  const Array dy = random_array({d.n, d.tokens(), d.width}, random);
  const std::vector<Array> want = token_embed_backward_oracle(d, dy);
  const Array old = random_array(shape, random), old_class = random_array({d.width}, random);
  const Array old_position = random_array({d.tokens(), d.width}, random);
  const RoundingModel sums{.reduction = std::max(d.n, int64_t{1})};
  for_each_schedule([&, dtype = dtype] {
    const DeviceValues dy_device = on_device(dy, dtype);
    for (const Write mode : kModes) {
      DeviceValues dx = output_like(old, dtype, mode);
      DeviceValues dclass = output_like(old_class, Dtype::kF32, mode);
      DeviceValues dposition = output_like(old_position, Dtype::kF32, mode);
      token_embed_backward_cuda({.dy = dy_device.data(),
                                 .dx = dx.data(),
                                 .dclass_token = static_cast<float*>(dclass.data()),
                                 .dposition = static_cast<float*>(dposition.data()),
                                 .dx_mode = mode,
                                 .dclass_token_mode = mode,
                                 .dposition_mode = mode},
                                d, dtype, kTestStream);
      expect_near("dx", dx.download(), expected(old, want[0], mode), {.dtype = dtype});
      expect_near("dclass", dclass.download(), expected(old_class, want[1], mode), sums);
      expect_near("dposition", dposition.download(), expected(old_position, want[2], mode), sums);
    }
  });
}

}  // namespace
}  // namespace rela::test
