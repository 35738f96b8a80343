#pragma once
// Transport losses in double, following the formulas in runtime/ops/ops.h.

#include <cmath>

#include "tests/support/oracle/linear.h"

namespace rela::test {

/// mean_i measure(W h_i + b, z_{i mod B}); `in` is {h [N, D], w [K, D]} or {h, w, b [K]}.
struct TransportOracle {
  enum class Measure { kCosine, kResidual } measure = Measure::kCosine;
  Array z;  // [B, K]

  double value(const double* p, const double* t, int64_t k) const {
    double pp = 0, pt = 0, tt = 0, rr = 0;
    for (int64_t j = 0; j < k; ++j) {
      pp += p[j] * p[j];
      pt += p[j] * t[j];
      tt += t[j] * t[j];
      rr += (p[j] - t[j]) * (p[j] - t[j]);
    }
    if (measure == Measure::kResidual) return rr;
    return pp == 0 || tt == 0 ? 1 : 1 - pt / std::sqrt(pp * tt);
  }
  const double* target(int64_t row) const { return z.data.data() + row % z.shape[0] * z.shape[1]; }
  Array forward(std::span<const Array> in) const {
    const Array p = linear_oracle(in);
    const int64_t n = p.shape[0], k = p.shape[1];
    Array loss(Shape{});
    for (int64_t i = 0; i < n; ++i) loss[0] += value(&p.data[i * k], target(i), k) / n;
    return loss;
  }
  std::vector<Array> backward(std::span<const Array> in, const Array& dloss) const {
    const Array p = linear_oracle(in);
    const int64_t n = p.shape[0], k = p.shape[1];
    Array dp(p.shape);
    for (int64_t i = 0; i < n; ++i) {
      const double* row = &p.data[i * k];
      const double* t = target(i);
      double pp = 0, pt = 0, tt = 0;
      for (int64_t j = 0; j < k; ++j) {
        pp += row[j] * row[j];
        pt += row[j] * t[j];
        tt += t[j] * t[j];
      }
      for (int64_t j = 0; j < k; ++j) {
        const double slope = measure == Measure::kResidual
                                 ? 2 * (row[j] - t[j])
                                 : (pt * row[j] / pp - t[j]) / std::sqrt(pp * tt);
        dp[i * k + j] = slope * dloss[0] / n;
      }
    }
    return linear_backward_oracle(in, dp);
  }
};

}  // namespace rela::test
