#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace rela {

/// One-pass mean and covariance of rows. Sums are double, of deviations from the mean of the first
/// rows (the shift), so that a mean that is large relative to the spread costs no digits:
///   s = sum_i (y_i - shift),  G = sum_i (y_i - shift) (y_i - shift)^T
///   mean = shift + s / N,     C = (G - s s^T / N) / (N - 1)
/// Bit-identical for any number of threads.
class CovarianceAccumulator {
 public:
  explicit CovarianceAccumulator(int64_t width);
  ~CovarianceAccumulator();
  CovarianceAccumulator(const CovarianceAccumulator&) = delete;
  CovarianceAccumulator& operator=(const CovarianceAccumulator&) = delete;

  /// rows [n, width] f32. The first call sets the shift.
  void add(std::span<const float> rows);

  int64_t count() const;
  std::vector<double> mean() const;        // [width]; zeros before the first row
  std::vector<double> covariance() const;  // [width, width]; zeros below two rows

 private:
  struct Sums;
  std::unique_ptr<Sums> sums_;
};

}  // namespace rela
