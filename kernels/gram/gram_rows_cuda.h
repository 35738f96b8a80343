#pragma once
// Rows of both feature sets side by side, as the Gram kernels read them. Only .cu files include
// this.

#include "kernels/gpu/tile_product.h"
#include "kernels/gram/gram.h"

namespace rela {

/// z = [x y], depth-outer: outer is the image, inner the column.
template <class T>
struct JoinedRows {
  const T *x, *y;
  const float* shift;
  GramDims d;
  bool is_aligned;  // both widths are whole chunks

  __device__ bool is_whole(int64_t o, int64_t i) const {
    return is_aligned && o < d.rows && i + kChunk<T> <= d.p + d.q;
  }
  __device__ const T* chunk(int64_t o, int64_t i) const {
    return i < d.p ? x + o * d.p + i : y + o * d.q + i - d.p;
  }
  __device__ float raw(int64_t o, int64_t i) const {
    return load_f32(i < d.p ? x + o * d.p + i : y + o * d.q + i - d.p);
  }
  /// The value that enters the product.
  __device__ float at(int64_t o, int64_t i) const {
    if (o >= d.rows || i >= d.p + d.q) return 0.0f;
    return sizeof(T) == sizeof(float) ? raw(o, i) - shift[i] : raw(o, i);
  }
  __device__ float shifted(int64_t o, int64_t i) const { return raw(o, i) - shift[i]; }
};
template <class T>
JoinedRows<T> joined_rows(const GramInputs& in, const GramDims& d) {
  const bool is_aligned =
      sizeof(T) == 2 && aligned16(in.x, in.y) && d.p % kChunk<T> == 0 && d.q % kChunk<T> == 0;
  return {static_cast<const T*>(in.x), static_cast<const T*>(in.y), in.shift, d, is_aligned};
}

/// The share of the shift s in a sum of products of unshifted rows: with U the sums of the shifted
/// columns,
///   sum z z^T = sum u u^T + U s^T + s U^T + N s s^T
template <class T>
__device__ inline double share_of_shift(const JoinedRows<T>& z, const double* column_sums,
                                        int64_t row, int64_t column) {
  const double a = z.shift[row], b = z.shift[column];
  return column_sums[row] * b + a * column_sums[column] + static_cast<double>(z.d.rows) * a * b;
}

}  // namespace rela
