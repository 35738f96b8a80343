#pragma once
// Attention in double, from its definition.

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/attention/attention.h"
#include "tests/support/array.h"

namespace rela::test {

class AttentionOracle {
 public:
  explicit AttentionOracle(const AttentionDims& d) : d_(d) {}

  Shape qkv_shape() const { return {d_.images, d_.tokens, 3 * d_.heads * d_.width}; }
  Shape out_shape() const { return {d_.images, d_.tokens, d_.heads * d_.width}; }

  /// [N, H, T]
  Array lse(const Array& qkv) const {
    Array lse({d_.images, d_.heads, d_.tokens});
    for_each_query(qkv, [&](int64_t n, int64_t h, int64_t i, const std::vector<double>& s) {
      const double largest = *std::max_element(s.begin(), s.end());
      double sum = 0;
      for (const double x : s) sum += std::exp(x - largest);
      lse[(n * d_.heads + h) * d_.tokens + i] = largest + std::log(sum);
    });
    return lse;
  }
  Array forward(const Array& qkv) const {
    Array out(out_shape());
    for_each_query(qkv, [&](int64_t n, int64_t h, int64_t i, const std::vector<double>& s) {
      const std::vector<double> p = softmax(s);
      for (int64_t j = 0; j < d_.tokens; ++j)
        for (int64_t c = 0; c < d_.width; ++c) {
          out[out_at(n, i, h) + c] += p[static_cast<size_t>(j)] * qkv[at(n, j, 2, h) + c];
        }
    });
    return out;
  }
  Array backward(const Array& qkv, const Array& dout) const {
    Array dqkv(qkv_shape());
    for_each_query(qkv, [&](int64_t n, int64_t h, int64_t i, const std::vector<double>& s) {
      const std::vector<double> p = softmax(s);
      std::vector<double> dp(p.size());
      double mean = 0;
      for (size_t j = 0; j < p.size(); ++j) {
        for (int64_t c = 0; c < d_.width; ++c) {
          const double g = dout[out_at(n, i, h) + c];
          dp[j] += g * qkv[at(n, static_cast<int64_t>(j), 2, h) + c];
          dqkv[at(n, static_cast<int64_t>(j), 2, h) + c] += p[j] * g;
        }
        mean += p[j] * dp[j];
      }
      for (int64_t j = 0; j < d_.tokens; ++j)
        for (int64_t c = 0; c < d_.width; ++c) {
          const auto index = static_cast<size_t>(j);
          const double ds = p[index] * (dp[index] - mean) * scale();
          dqkv[at(n, i, 0, h) + c] += ds * qkv[at(n, j, 1, h) + c];
          dqkv[at(n, j, 1, h) + c] += ds * qkv[at(n, i, 0, h) + c];
        }
    });
    return dqkv;
  }

 private:
  double scale() const { return 1 / std::sqrt(static_cast<double>(d_.width)); }
  /// First element of a token's query (0), key (1) or value (2).
  int64_t at(int64_t n, int64_t token, int64_t which, int64_t h) const {
    return (((n * d_.tokens + token) * 3 + which) * d_.heads + h) * d_.width;
  }
  int64_t out_at(int64_t n, int64_t token, int64_t h) const {
    return ((n * d_.tokens + token) * d_.heads + h) * d_.width;
  }
  /// body(n, h, i, scores of the query)
  template <class Body>
  void for_each_query(const Array& qkv, Body&& body) const {
    for (int64_t n = 0; n < d_.images; ++n)
      for (int64_t h = 0; h < d_.heads; ++h)
        for (int64_t i = 0; i < d_.tokens; ++i) {
          std::vector<double> s(static_cast<size_t>(d_.tokens));
          for (int64_t j = 0; j < d_.tokens; ++j)
            for (int64_t c = 0; c < d_.width; ++c) {
              s[static_cast<size_t>(j)] +=
                  scale() * qkv[at(n, i, 0, h) + c] * qkv[at(n, j, 1, h) + c];
            }
          body(n, h, i, s);
        }
  }
  static std::vector<double> softmax(const std::vector<double>& s) {
    const double largest = *std::max_element(s.begin(), s.end());
    std::vector<double> p;
    double sum = 0;
    for (const double x : s) sum += p.emplace_back(std::exp(x - largest));
    for (double& x : p) x /= sum;
    return p;
  }
  AttentionDims d_;
};

}  // namespace rela::test
