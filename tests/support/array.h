#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "runtime/tensor.h"

namespace rela::test {

/// A dense row-major array of doubles, used by the oracles.
struct Array {
  Array() = default;
  explicit Array(const Shape& s) : shape(s), data(static_cast<size_t>(s.numel())) {}

  int64_t numel() const { return shape.numel(); }
  double& operator[](int64_t i) { return data[static_cast<size_t>(i)]; }
  double operator[](int64_t i) const { return data[static_cast<size_t>(i)]; }
  /// Element of a 4-axis array.
  double& at(int64_t i, int64_t j, int64_t k, int64_t l) { return (*this)[offset(i, j, k, l)]; }
  double at(int64_t i, int64_t j, int64_t k, int64_t l) const {
    return (*this)[offset(i, j, k, l)];
  }

  Shape shape;
  std::vector<double> data;

 private:
  int64_t offset(int64_t i, int64_t j, int64_t k, int64_t l) const {
    return ((i * shape[1] + j) * shape[2] + k) * shape[3] + l;
  }
};

using Random = std::mt19937_64;

/// Uniform in [low, high), rounded to a value that is exact in bf16, so that runs in every storage
/// type see the same numbers (in f16, except the smallest).
Array random_array(const Shape& shape, Random& random, double low = -1, double high = 1);

/// The storage types of activations.
inline constexpr Dtype kStorageTypes[] = {Dtype::kF32, Dtype::kBf16, Dtype::kF16};
/// x after a round trip through storage of this type.
float stored(float x, Dtype dtype);

/// Converts tensors of a storage type, on any device.
Array to_array(const Tensor& tensor);
Tensor to_tensor(const Array& array, Dtype dtype, Device device = Device::kCpu);

/// |got - want| <= atol + rtol |want|, and NaN never agrees.
struct Tolerance {
  double atol = 0;
  double rtol = 0;
};

/// The error that rounding explains. `reduction` is the number of terms summed per element,
/// `roundings` how often a result is rounded to the dtype, `largest` the largest magnitude
/// involved.
struct RoundingModel {
  Dtype dtype = Dtype::kF32;
  int64_t reduction = 1;
  int roundings = 1;
  double slack = 1;  // multiplies the f32 part
};
Tolerance tolerance_of(const RoundingModel& model, const Array& want);

/// Empty if they agree; otherwise the shapes, or the worst element with both values and the excess
/// over the tolerance.
std::string difference(const std::string& what, const Array& got, const Array& want,
                       Tolerance tolerance);

}  // namespace rela::test
