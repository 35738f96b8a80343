#pragma once
// Layer normalisation in double, from its definition.

#include <cmath>

#include "tests/support/array.h"

namespace rela::test {

struct LayerNormOracle {
  double eps = 1e-5f;

  struct Gradients {
    Array dx, dgamma, dbeta;
  };
  struct Statistics {
    Array mean, inv_std;  // [rows]
  };
  Statistics statistics(const Array& x) const {
    const int64_t cols = x.shape.back();
    Statistics s{Array({x.shape.rows()}), Array({x.shape.rows()})};
    for (int64_t r = 0; r < x.shape.rows(); ++r) {
      double var = 0;
      for (int64_t c = 0; c < cols; ++c) s.mean[r] += x[r * cols + c] / cols;
      for (int64_t c = 0; c < cols; ++c) {
        const double d = x[r * cols + c] - s.mean[r];
        var += d * d / cols;
      }
      s.inv_std[r] = 1 / std::sqrt(var + eps);
    }
    return s;
  }
  Array forward(const Array& x, const Array& gamma, const Array& beta) const {
    const Statistics s = statistics(x);
    const int64_t cols = x.shape.back();
    Array y(x.shape);
    for (int64_t i = 0; i < x.numel(); ++i) {
      y[i] = gamma[i % cols] * (x[i] - s.mean[i / cols]) * s.inv_std[i / cols] + beta[i % cols];
    }
    return y;
  }
  Gradients backward(const Array& x, const Array& gamma, const Array& dy) const {
    const Statistics s = statistics(x);
    const int64_t cols = x.shape.back();
    Gradients d{Array(x.shape), Array({cols}), Array({cols})};
    for (int64_t r = 0; r < x.shape.rows(); ++r) {
      const auto xhat = [&](int64_t c) { return (x[r * cols + c] - s.mean[r]) * s.inv_std[r]; };
      double mean_g = 0;
      double mean_gx = 0;
      for (int64_t c = 0; c < cols; ++c) {
        d.dbeta[c] += dy[r * cols + c];
        d.dgamma[c] += dy[r * cols + c] * xhat(c);
        mean_g += gamma[c] * dy[r * cols + c] / cols;
        mean_gx += gamma[c] * dy[r * cols + c] * xhat(c) / cols;
      }
      for (int64_t c = 0; c < cols; ++c) {
        d.dx[r * cols + c] =
            s.inv_std[r] * (gamma[c] * dy[r * cols + c] - mean_g - xhat(c) * mean_gx);
      }
    }
    return d;
  }
};

}  // namespace rela::test
