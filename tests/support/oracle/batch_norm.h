#pragma once
// Batch normalisation in double, following the formulas of Ioffe and Szegedy 2015, section 3.

#include <cmath>
#include <optional>
#include <vector>

#include "tests/support/array.h"

namespace rela::test {

struct BatchNormOracle {
  int64_t groups = 1;
  bool relu = false;
  double eps = 1e-5f;
  /// If set: normalise by these instead of the batch statistics.
  std::optional<Array> fixed_mean;
  std::optional<Array> fixed_var;

  struct Statistics {
    Array mean;  // [groups, C]
    Array var;   // [groups, C], biased
  };
  struct Gradients {
    Array dx, dgamma, dbeta, dresidual;
  };

  Statistics statistics(const Array& x) const;
  Array forward(const Array& x, const Array& gamma, const Array& beta, const Array* residual) const;
  Gradients backward(const Array& x, const Array& gamma, const Array& y, const Array& dy) const;
};

inline BatchNormOracle::Statistics BatchNormOracle::statistics(const Array& x) const {
  const int64_t channels = x.shape.back();
  const int64_t rows = x.shape.rows() / groups;
  Statistics s{Array({groups, channels}), Array({groups, channels})};
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t c = 0; c < channels; ++c) {
      double& mean = s.mean[g * channels + c];
      double& var = s.var[g * channels + c];
      if (fixed_mean) {
        mean = (*fixed_mean)[c];
        var = (*fixed_var)[c];
        continue;
      }
      for (int64_t r = 0; r < rows; ++r) mean += x[(g * rows + r) * channels + c] / rows;
      for (int64_t r = 0; r < rows; ++r) {
        const double d = x[(g * rows + r) * channels + c] - mean;
        var += d * d / rows;
      }
    }
  }
  return s;
}

inline Array BatchNormOracle::forward(const Array& x, const Array& gamma, const Array& beta,
                                      const Array* residual) const {
  const Statistics s = statistics(x);
  const int64_t channels = x.shape.back();
  const int64_t rows = x.shape.rows() / groups;
  Array y(x.shape);
  for (int64_t i = 0; i < x.numel(); ++i) {
    const int64_t c = i % channels;
    const int64_t at = i / channels / rows * channels + c;  // index into the statistics
    y[i] = gamma[c] * (x[i] - s.mean[at]) / std::sqrt(s.var[at] + eps) + beta[c];
    if (residual != nullptr) y[i] += (*residual)[i];
    if (relu && y[i] < 0) y[i] = 0;
  }
  return y;
}

inline BatchNormOracle::Gradients BatchNormOracle::backward(const Array& x, const Array& gamma,
                                                            const Array& y, const Array& dy) const {
  const Statistics s = statistics(x);
  const int64_t channels = x.shape.back();
  const int64_t rows = x.shape.rows() / groups;
  Gradients d{Array(x.shape), Array({channels}), Array({channels}), dy};
  if (relu) {
    for (int64_t i = 0; i < x.numel(); ++i) d.dresidual[i] = y[i] > 0 ? dy[i] : 0;
  }
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t c = 0; c < channels; ++c) {
      const double mean = s.mean[g * channels + c];
      const double inv_std = 1 / std::sqrt(s.var[g * channels + c] + eps);
      double sum = 0;
      double moment = 0;
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t i = (g * rows + r) * channels + c;
        sum += d.dresidual[i];
        moment += d.dresidual[i] * (x[i] - mean) * inv_std;
      }
      d.dbeta[c] += sum;
      d.dgamma[c] += moment;
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t i = (g * rows + r) * channels + c;
        const double xhat = (x[i] - mean) * inv_std;
        const double through_statistics = fixed_mean ? 0 : (sum + xhat * moment) / rows;
        d.dx[i] = gamma[c] * inv_std * (d.dresidual[i] - through_statistics);
      }
    }
  }
  return d;
}

}  // namespace rela::test
