#pragma once
// Losses in double, following the formulas in runtime/ops/ops.h.

#include <cmath>
#include <vector>

#include "tests/support/array.h"

namespace rela::test {

/// mean_r -log softmax(logits[r])[labels[r]]
struct CrossEntropyOracle {
  std::vector<int64_t> labels;

  Array softmax(const Array& logits) const {
    const int64_t cols = logits.shape.back();
    Array p(logits.shape);
    for (int64_t r = 0; r < logits.shape[0]; ++r) {
      double sum = 0;
      for (int64_t k = 0; k < cols; ++k) sum += std::exp(logits[r * cols + k]);
      for (int64_t k = 0; k < cols; ++k) p[r * cols + k] = std::exp(logits[r * cols + k]) / sum;
    }
    return p;
  }
  Array forward(const Array& logits) const {
    const Array p = softmax(logits);
    const int64_t rows = logits.shape[0];
    Array loss(Shape{});
    for (int64_t r = 0; r < rows; ++r)
      loss[0] -= std::log(p[r * logits.shape.back() + labels[static_cast<size_t>(r)]]) / rows;
    return loss;
  }
  Array backward(const Array& logits, double dloss) const {
    Array d = softmax(logits);
    const int64_t rows = logits.shape[0];
    for (int64_t r = 0; r < rows; ++r)
      d[r * logits.shape.back() + labels[static_cast<size_t>(r)]] -= 1;
    for (double& g : d.data) g *= dloss / rows;
    return d;
  }
};

/// scale sum_i (2 - 2 cos(q_i, z_{i + B mod 2B}))
struct ByolOracle {
  Array z;
  double scale = 1;

  struct Row {
    double qq = 0, qz = 0, zz = 0;
    double cosine() const { return qz / std::sqrt(qq * zz); }
  };
  int64_t other(int64_t row) const { return (row + z.shape[0] / 2) % z.shape[0]; }
  Row row_of(const Array& q, int64_t row) const {
    const int64_t cols = z.shape.back();
    Row sums;
    for (int64_t c = 0; c < cols; ++c) {
      const double a = q[row * cols + c];
      const double b = z[other(row) * cols + c];
      sums.qq += a * a;
      sums.qz += a * b;
      sums.zz += b * b;
    }
    return sums;
  }
  Array forward(const Array& q) const {
    Array loss(Shape{});
    for (int64_t r = 0; r < q.shape[0]; ++r) loss[0] += scale * (2 - 2 * row_of(q, r).cosine());
    return loss;
  }
  Array backward(const Array& q, double dloss) const {
    const int64_t cols = q.shape.back();
    Array d(q.shape);
    for (int64_t r = 0; r < q.shape[0]; ++r) {
      const Row sums = row_of(q, r);
      for (int64_t c = 0; c < cols; ++c) {
        const double zhat = z[other(r) * cols + c] / std::sqrt(sums.zz);
        const double qhat = q[r * cols + c] / std::sqrt(sums.qq);
        d[r * cols + c] = -2 * scale * dloss * (zhat - sums.cosine() * qhat) / std::sqrt(sums.qq);
      }
    }
    return d;
  }
};

}  // namespace rela::test
