#pragma once
// Patches and tokens of a vision transformer in double, from their definitions.

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

inline TokenEmbedDims token_dims(const Shape& x) {
  return {.n = x[0], .patches = x[1], .width = x[2]};
}
inline Array token_embed_oracle(const Array& x, const Array& class_token, const Array& position) {
  const TokenEmbedDims d = token_dims(x.shape);
  Array y({d.n, d.tokens(), d.width});
  for (int64_t n = 0; n < d.n; ++n)
    for (int64_t t = 0; t < d.tokens(); ++t)
      for (int64_t c = 0; c < d.width; ++c) {
        const double token = t == 0 ? class_token[c] : x[(n * d.patches + t - 1) * d.width + c];
        y[(n * d.tokens() + t) * d.width + c] = token + position[t * d.width + c];
      }
  return y;
}
/// {dx, dclass_token, dposition}
inline std::vector<Array> token_embed_backward_oracle(const TokenEmbedDims& d, const Array& dy) {
  std::vector<Array> gradients{Array({d.n, d.patches, d.width}), Array({d.width}),
                               Array({d.tokens(), d.width})};
  for (int64_t n = 0; n < d.n; ++n)
    for (int64_t t = 0; t < d.tokens(); ++t)
      for (int64_t c = 0; c < d.width; ++c) {
        const double g = dy[(n * d.tokens() + t) * d.width + c];
        gradients[2][t * d.width + c] += g;
        if (t == 0) {
          gradients[1][c] += g;
        } else {
          gradients[0][(n * d.patches + t - 1) * d.width + c] = g;
        }
      }
  return gradients;
}

}  // namespace rela::test
