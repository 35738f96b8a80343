#pragma once

#include "tests/support/array.h"

namespace rela::test {

/// y = x w^T + b; `in` is {x [N, D], w [K, D]} or {x, w, b [K]}.
inline Array linear_oracle(std::span<const Array> in) {
  const int64_t n = in[0].shape[0], d = in[0].shape[1], k = in[1].shape[0];
  Array y({n, k});
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j) {
      if (in.size() == 3) y[i * k + j] = in[2][j];
      for (int64_t l = 0; l < d; ++l) y[i * k + j] += in[0][i * d + l] * in[1][j * d + l];
    }
  return y;
}

inline std::vector<Array> linear_backward_oracle(std::span<const Array> in, const Array& dy) {
  const int64_t n = in[0].shape[0], d = in[0].shape[1], k = in[1].shape[0];
  std::vector<Array> gradients;
  for (const Array& a : in) gradients.emplace_back(a.shape);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j) {
      const double g = dy[i * k + j];
      if (in.size() == 3) gradients[2][j] += g;
      for (int64_t l = 0; l < d; ++l) {
        gradients[0][i * d + l] += g * in[1][j * d + l];
        gradients[1][j * d + l] += g * in[0][i * d + l];
      }
    }
  return gradients;
}

}  // namespace rela::test
