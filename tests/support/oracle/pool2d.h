#pragma once
// Pooling in double, from its definition.

#include "runtime/ops/ops.h"
#include "tests/support/array.h"

namespace rela::test {

/// Calls body(y_index, x_indices) for every window: the elements of x that it covers, in order.
template <class Body>
void for_each_window(const Shape& x, const Pool2dOptions& o, Body&& body) {
  const int64_t h = x[1], w = x[2], c = x[3];
  const int64_t p = (h + 2 * o.padding - o.kernel) / o.stride + 1;
  const int64_t q = (w + 2 * o.padding - o.kernel) / o.stride + 1;
  for (int64_t y_index = 0; y_index < x[0] * p * q * c; ++y_index) {
    const int64_t ci = y_index % c, qi = y_index / c % q, pi = y_index / c / q % p;
    const int64_t n = y_index / c / q / p;
    std::vector<int64_t> covered;
    for (int64_t r = 0; r < o.kernel; ++r)
      for (int64_t s = 0; s < o.kernel; ++s) {
        const int64_t hi = pi * o.stride - o.padding + r, wi = qi * o.stride - o.padding + s;
        if (hi < 0 || hi >= h || wi < 0 || wi >= w) continue;
        covered.push_back(((n * h + hi) * w + wi) * c + ci);
      }
    body(y_index, covered);
  }
}

inline Shape pooled_shape(const Shape& x, const Pool2dOptions& o) {
  return {x[0], (x[1] + 2 * o.padding - o.kernel) / o.stride + 1,
          (x[2] + 2 * o.padding - o.kernel) / o.stride + 1, x[3]};
}

inline int64_t first_maximum(const Array& x, const std::vector<int64_t>& covered) {
  int64_t best = covered.front();
  for (const int64_t i : covered) best = x[i] > x[best] ? i : best;
  return best;
}

inline Array max_pool2d_oracle(const Array& x, const Pool2dOptions& o) {
  Array y(pooled_shape(x.shape, o));
  for_each_window(x.shape, o, [&](int64_t yi, const std::vector<int64_t>& covered) {
    y[yi] = x[first_maximum(x, covered)];
  });
  return y;
}
inline Array max_pool2d_backward_oracle(const Array& x, const Pool2dOptions& o, const Array& dy) {
  Array dx(x.shape);
  for_each_window(x.shape, o, [&](int64_t yi, const std::vector<int64_t>& covered) {
    dx[first_maximum(x, covered)] += dy[yi];
  });
  return dx;
}

inline Array avg_pool2d_oracle(const Array& x, const Pool2dOptions& o) {
  Array y(pooled_shape(x.shape, o));
  for_each_window(x.shape, o, [&](int64_t yi, const std::vector<int64_t>& covered) {
    for (const int64_t i : covered) y[yi] += x[i] / static_cast<double>(o.kernel * o.kernel);
  });
  return y;
}
inline Array avg_pool2d_backward_oracle(const Array& x, const Pool2dOptions& o, const Array& dy) {
  Array dx(x.shape);
  for_each_window(x.shape, o, [&](int64_t yi, const std::vector<int64_t>& covered) {
    for (const int64_t i : covered) dx[i] += dy[yi] / static_cast<double>(o.kernel * o.kernel);
  });
  return dx;
}

inline Array global_avg_pool_oracle(const Array& x) {
  const int64_t pixels = x.shape[1] * x.shape[2], c = x.shape[3];
  Array y({x.shape[0], c});
  for (int64_t i = 0; i < x.numel(); ++i) {
    y[i / (pixels * c) * c + i % c] += x[i] / static_cast<double>(pixels);
  }
  return y;
}
inline Array global_avg_pool_backward_oracle(const Array& x, const Array& dy) {
  const int64_t pixels = x.shape[1] * x.shape[2], c = x.shape[3];
  Array dx(x.shape);
  for (int64_t i = 0; i < x.numel(); ++i) {
    dx[i] = dy[i / (pixels * c) * c + i % c] / static_cast<double>(pixels);
  }
  return dx;
}

/// Calls body(y_index, x_index) for every element of y that is not padding.
template <class Body>
void for_each_subsampled(const Shape& x, const Shape& y, const SubsamplePadOptions& o,
                         Body&& body) {
  for (int64_t yi = 0; yi < y.numel(); ++yi) {
    const int64_t c = yi % y[3] - o.channels_before;
    if (c < 0 || c >= x[3]) continue;
    const int64_t w = yi / y[3] % y[2] * o.stride, h = yi / (y[3] * y[2]) % y[1] * o.stride;
    body(yi, ((yi / (y[3] * y[2] * y[1]) * x[1] + h) * x[2] + w) * x[3] + c);
  }
}
inline Array subsample_pad_oracle(const Array& x, const SubsamplePadOptions& o) {
  const Shape& s = x.shape;
  Array y({s[0], (s[1] + o.stride - 1) / o.stride, (s[2] + o.stride - 1) / o.stride,
           o.channels_before + s[3] + o.channels_after});
  for_each_subsampled(s, y.shape, o, [&](int64_t yi, int64_t xi) { y[yi] = x[xi]; });
  return y;
}
inline Array subsample_pad_backward_oracle(const Array& x, const SubsamplePadOptions& o,
                                           const Array& dy) {
  Array dx(x.shape);
  for_each_subsampled(x.shape, dy.shape, o, [&](int64_t yi, int64_t xi) { dx[xi] += dy[yi]; });
  return dx;
}

}  // namespace rela::test
