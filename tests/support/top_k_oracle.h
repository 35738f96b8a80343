#pragma once
// What the kernels of similarity/top_k.h are compared with, and rows to search.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/random/random_stream.h"
#include "kernels/similarity/top_k.h"

namespace rela::test {

struct Best {
  std::vector<float> values;
  std::vector<int64_t> indices;
};

/// Every similarity(x row, y row, width), sorted.
template <class Similarity>
Best full_sort(const std::vector<float>& x, const std::vector<float>& y, const TopKDims& d,
               Similarity similarity) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  Best best;
  for (int64_t n = 0; n < d.queries; ++n) {
    std::vector<float> s(d.candidates);
    std::vector<int64_t> order;
    for (int64_t m = 0; m < d.candidates; ++m) {
      s[m] = similarity(x.data() + n * d.width, y.data() + m * d.width, d.width);
      if (s[m] > -kInf) order.push_back(m);  // NaN and -inf are never chosen
    }
    std::ranges::stable_sort(order, [&](int64_t a, int64_t b) { return s[a] > s[b]; });
    for (int64_t i = 0; i < d.k; ++i) {
      const bool is_there = i < static_cast<int64_t>(order.size());
      best.values.push_back(is_there ? s[order[i]] : -kInf);
      best.indices.push_back(is_there ? order[i] : -1);
    }
  }
  return best;
}

/// Rows of -1, 0 and 1: few different similarities, so that most of them tie, including at the
/// cut-off.
inline std::vector<float> tied_rows(int64_t rows, int64_t width, uint64_t seed) {
  RandomStream random({.seed = seed, .op = RandomOp::kSynthetic});
  std::vector<float> x(rows * width);
  for (float& v : x) v = static_cast<float>(random.below(3)) - 1.0f;
  return x;
}
inline std::vector<float> normal_rows(int64_t rows, int64_t width, uint64_t seed) {
  RandomStream random({.seed = seed, .op = RandomOp::kSynthetic});
  std::vector<float> x(rows * width);
  for (float& v : x) v = random.normal();
  return x;
}

}  // namespace rela::test
