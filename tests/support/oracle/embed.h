#pragma once
// Patches and tokens of a vision transformer in double, from their definitions.

#include <span>
#include <vector>

#include "kernels/embed/patches.h"
#include "kernels/embed/token_embed.h"
#include "tests/support/array.h"

namespace rela::test {

inline PatchDims patch_dims(const Shape& x, int64_t patch) {
  return {.n = x[0], .h = x[1], .w = x[2], .c = x[3], .patch = patch};
}

/// Calls body(y_index, x_index) for every element.
template <class Body>
void for_each_patch_element(const PatchDims& d, Body&& body) {
  for (int64_t n = 0; n < d.n; ++n)
    for (int64_t h = 0; h < d.h; ++h)
      for (int64_t w = 0; w < d.w; ++w)
        for (int64_t c = 0; c < d.c; ++c) {
          const int64_t token = h / d.patch * (d.w / d.patch) + w / d.patch;
          const int64_t within = (h % d.patch * d.patch + w % d.patch) * d.c + c;
          body((n * d.tokens() + token) * d.width() + within, ((n * d.h + h) * d.w + w) * d.c + c);
        }
}
inline Array patches_oracle(const PatchDims& d, const Array& x) {
  Array y({d.n, d.tokens(), d.width()});
  for_each_patch_element(d, [&](int64_t to, int64_t from) { y[to] = x[from]; });
  return y;
}
inline Array patches_backward_oracle(const PatchDims& d, const Array& dy) {
  Array dx({d.n, d.h, d.w, d.c});
  for_each_patch_element(d, [&](int64_t from, int64_t to) { dx[to] = dy[from]; });
  return dx;
}

inline TokenEmbedDims token_dims(const Shape& x, int64_t registers = 0,
                                 int64_t class_positions = 1) {
  return {.n = x[0],
          .patches = x[1],
          .width = x[2],
          .registers = registers,
          .class_positions = class_positions};
}
/// Calls body(token, position) for every token that has a position.
template <class Body>
void for_each_position(const TokenEmbedDims& d, Body&& body) {
  if (d.class_positions == 1) body(int64_t{0}, int64_t{0});
  for (int64_t t = 0; t < d.patches; ++t) body(1 + d.registers + t, d.class_positions + t);
}
/// in: x, class token (not used if it is the mean), positions and, unless there are none,
/// registers.
inline Array token_embed_oracle(const TokenEmbedDims& d, std::span<const Array> in) {
  Array y({d.n, d.tokens(), d.width});
  const size_t registers = d.class_is_mean ? 2 : 3;
  for (int64_t n = 0; n < d.n; ++n)
    for (int64_t c = 0; c < d.width; ++c) {
      const auto at = [&](int64_t token) { return (n * d.tokens() + token) * d.width + c; };
      if (!d.class_is_mean) {
        y[at(0)] = in[2][c];
      } else {
        for (int64_t t = 0; t < d.patches; ++t) {
          y[at(0)] += in[0][(n * d.patches + t) * d.width + c] / static_cast<double>(d.patches);
        }
      }
      for (int64_t r = 0; r < d.registers; ++r) {
        y[at(1 + r)] = in[registers][r * d.width + c];
      }
      for (int64_t t = 0; t < d.patches; ++t) {
        y[at(1 + d.registers + t)] = in[0][(n * d.patches + t) * d.width + c];
      }
      for_each_position(d, [&](int64_t token, int64_t position) {
        y[at(token)] += in[1][position * d.width + c];
      });
    }
  return y;
}
/// Gradients in the order of the inputs.
inline std::vector<Array> token_embed_backward_oracle(const TokenEmbedDims& d, const Array& dy) {
  std::vector<Array> gradients{Array({d.n, d.patches, d.width}), Array({d.positions(), d.width})};
  const size_t registers = d.class_is_mean ? 2 : 3;
  if (!d.class_is_mean) gradients.emplace_back(Shape{d.width});
  if (d.registers > 0) gradients.emplace_back(Shape{d.registers, d.width});
  for (int64_t n = 0; n < d.n; ++n)
    for (int64_t c = 0; c < d.width; ++c) {
      const auto g = [&](int64_t token) { return dy[(n * d.tokens() + token) * d.width + c]; };
      if (!d.class_is_mean) gradients[2][c] += g(0);
      for (int64_t r = 0; r < d.registers; ++r) {
        gradients[registers][r * d.width + c] += g(1 + r);
      }
      for (int64_t t = 0; t < d.patches; ++t) {
        gradients[0][(n * d.patches + t) * d.width + c] =
            g(1 + d.registers + t) +
            (d.class_is_mean ? g(0) / static_cast<double>(d.patches) : 0.0);
      }
      for_each_position(d, [&](int64_t token, int64_t position) {
        gradients[1][position * d.width + c] += g(token);
      });
    }
  return gradients;
}

}  // namespace rela::test
