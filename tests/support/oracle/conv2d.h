#pragma once
// Convolution in double, from its definition.

#include "kernels/conv/conv2d.h"
#include "tests/support/array.h"

namespace rela::test {

/// Calls body(y_index, x_index, w_index) for every product summed in y.
template <class Body>
void for_each_conv2d_product(const Conv2dDims& d, Body&& body) {
  for (int64_t n = 0; n < d.n; ++n)
    for (int64_t p = 0; p < d.p(); ++p)
      for (int64_t q = 0; q < d.q(); ++q)
        for (int64_t r = 0; r < d.r; ++r)
          for (int64_t s = 0; s < d.s; ++s) {
            const int64_t h = p * d.stride - d.padding + r, w = q * d.stride - d.padding + s;
            if (h < 0 || h >= d.h || w < 0 || w >= d.w) continue;
            for (int64_t k = 0; k < d.k; ++k)
              for (int64_t c = 0; c < d.c; ++c) {
                body(((n * d.p() + p) * d.q() + q) * d.k + k, ((n * d.h + h) * d.w + w) * d.c + c,
                     ((k * d.r + r) * d.s + s) * d.c + c);
              }
          }
}

inline Array conv2d_oracle(const Conv2dDims& d, const Array& x, const Array& w) {
  Array y({d.n, d.p(), d.q(), d.k});
  for_each_conv2d_product(d, [&](int64_t yi, int64_t xi, int64_t wi) { y[yi] += x[xi] * w[wi]; });
  return y;
}

/// {dx, dw}
inline std::vector<Array> conv2d_backward_oracle(const Conv2dDims& d, const Array& x,
                                                 const Array& w, const Array& dy) {
  std::vector<Array> gradients = {Array(x.shape), Array(w.shape)};
  for_each_conv2d_product(d, [&](int64_t yi, int64_t xi, int64_t wi) {
    gradients[0][xi] += dy[yi] * w[wi];
    gradients[1][wi] += dy[yi] * x[xi];
  });
  return gradients;
}

}  // namespace rela::test
