#pragma once
// Second moments of feature sets, streamed. Not recorded on the tape.

#include <array>
#include <vector>

#include "runtime/tensor.h"

namespace rela {

/// Moments of the rows of z = [x y] about their mean, on the host. P = p + q.
struct CentredMoments {
  int64_t rows = 0;  // N
  int64_t p = 0, q = 0;
  std::vector<double> mean;       // [P]
  std::vector<double> gram;       // [P, P], symmetric: sum_i c_i c_i^T, c_i = z_i - mean
  std::array<double, 3> quartic;  // sum_i |x_i|^4, |x_i|^2 |y_i|^2, |y_i|^4 of the centred rows

  int64_t columns() const { return p + q; }
  double at(int64_t row, int64_t column) const { return gram[row * columns() + column]; }
};

/// One-pass sums over rows that arrive chunk by chunk: kernels/gram/gram.h. The rows are shifted by
/// the mean of the first ones, so large means cost no precision. Deterministic: the sums depend on
/// the chunks and their order.
class MomentSums {
 public:
  /// Columns of x and of y; q == 0: there is no y.
  MomentSums(int64_t p, int64_t q, Device device = Device::kCpu);

  /// x [n, p], y [n, q] (undefined when q == 0), both f32 or both bf16, on the device. Throws
  /// ShapeError, DtypeError and DeviceError.
  void add(const Tensor& x, const Tensor& y = {});
  int64_t rows() const { return rows_; }
  /// The moments of all rows so far; more may follow. No rows: zeros.
  CentredMoments centred() const;

 private:
  int64_t columns() const { return p_ + q_; }
  double* sums();

  int64_t p_, q_;
  int64_t rows_ = 0;
  Tensor shift_;  // [P] f32
  Tensor sums_;   // bytes of [P, P] gram, [P] columns, [2, P] weighted columns, [3] quartic, f64
};

}  // namespace rela
