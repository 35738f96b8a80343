#pragma once

#include "kernels/types.h"

namespace rela {

/// Images cut into squares, as the first layer of a vision transformer does (Dosovitskiy et al.
/// 2021): with I = H / patch and J = W / patch,
///   y[n, i J + j, (r patch + s) C + c] = x[n, i patch + r, j patch + s, c]
///   x [N, H, W, C] -> y [N, I J, patch patch C]
/// A row of y has the memory layout of a filter [patch, patch, C]: the convolution with weights
/// [K, patch, patch, C] and stride patch is the product of y with the weights as [K, patch patch
/// C].
struct PatchDims {
  int64_t n = 0, h = 0, w = 0, c = 0;
  int64_t patch = 1;  // divides h and w

  constexpr int64_t rows() const { return h / patch; }
  constexpr int64_t columns() const { return w / patch; }
  constexpr int64_t tokens() const { return rows() * columns(); }
  constexpr int64_t run() const { return patch * c; }  // contiguous in x and in y
  constexpr int64_t width() const { return patch * run(); }
};

/// x and y do not overlap. Empty input does nothing.
using PatchesForwardFn = void(const PatchDims& dims, const void* x, void* y, Dtype dtype,
                              Stream stream);
PatchesForwardFn patches_forward_cpu;
PatchesForwardFn patches_forward_cuda;

/// dx (+)= dy, every element back at its original position.
using PatchesBackwardFn = void(const PatchDims& dims, const void* dy, GradOut dx, Dtype dtype,
                               Stream stream);
PatchesBackwardFn patches_backward_cpu;
PatchesBackwardFn patches_backward_cuda;

}  // namespace rela
