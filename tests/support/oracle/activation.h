#pragma once
// GELU and softmax in double, from their definitions.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/activation/gelu.h"
#include "tests/support/array.h"

namespace rela::test {

inline double gelu_oracle(double h, Gelu kind) {
  switch (kind) {
    case Gelu::kErf:
      return h * 0.5 * std::erfc(-h / std::numbers::sqrt2);
    case Gelu::kTanh:
      return h * 0.5 *
             (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (h + 0.044715 * h * h * h)));
    case Gelu::kQuick:
      return h / (1 + std::exp(-1.702 * h));
  }
  return 0;
}
inline double gelu_slope_oracle(double h, Gelu kind) {
  switch (kind) {
    case Gelu::kErf:
      return 0.5 * std::erfc(-h / std::numbers::sqrt2) +
             h * std::exp(-h * h / 2) / std::sqrt(2 * std::numbers::pi);
    case Gelu::kTanh: {
      const double k = std::sqrt(2 / std::numbers::pi);
      const double t = std::tanh(k * (h + 0.044715 * h * h * h));
      return 0.5 * (1 + t) + 0.5 * h * (1 - t * t) * k * (1 + 3 * 0.044715 * h * h);
    }
    case Gelu::kQuick: {
      const double s = 1 / (1 + std::exp(-1.702 * h));
      return s + 1.702 * h * s * (1 - s);
    }
  }
  return 0;
}

/// x [..., C] + bias [C]; a bias without data means none.
inline Array add_bias(const Array& x, const Array& bias) {
  Array h = x;
  if (bias.data.empty()) return h;
  for (int64_t i = 0; i < h.numel(); ++i) h[i] += bias[i % bias.numel()];
  return h;
}
inline Array gelu_oracle(const Array& x, const Array& bias, Gelu kind) {
  Array y = add_bias(x, bias);
  for (double& v : y.data) v = gelu_oracle(v, kind);
  return y;
}
inline Array gelu_backward_oracle(const Array& x, const Array& bias, Gelu kind, const Array& dy) {
  Array dx = add_bias(x, bias);
  for (int64_t i = 0; i < dx.numel(); ++i) dx[i] = dy[i] * gelu_slope_oracle(dx[i], kind);
  return dx;
}

/// Sum over the rows of [..., C].
inline Array sum_over_rows(const Array& x) {
  const int64_t cols = x.shape.back();
  Array sum({cols});
  for (int64_t i = 0; i < x.numel(); ++i) sum[i % cols] += x[i];
  return sum;
}

inline Array softmax_oracle(const Array& x) {
  const int64_t cols = x.shape.back();
  Array y(x.shape);
  for (int64_t r = 0; r < x.shape.rows(); ++r) {
    const double* row = x.data.data() + r * cols;
    const double largest = cols == 0 ? 0 : *std::max_element(row, row + cols);
    double sum = 0;
    for (int64_t c = 0; c < cols; ++c) sum += std::exp(row[c] - largest);
    for (int64_t c = 0; c < cols; ++c) y[r * cols + c] = std::exp(row[c] - largest) / sum;
  }
  return y;
}
inline Array softmax_backward_oracle(const Array& y, const Array& dy) {
  const int64_t cols = y.shape.back();
  Array dx(y.shape);
  for (int64_t r = 0; r < y.shape.rows(); ++r) {
    double dot = 0;
    for (int64_t c = 0; c < cols; ++c) dot += y[r * cols + c] * dy[r * cols + c];
    for (int64_t c = 0; c < cols; ++c) {
      dx[r * cols + c] = y[r * cols + c] * (dy[r * cols + c] - dot);
    }
  }
  return dx;
}

}  // namespace rela::test
