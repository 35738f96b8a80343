#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>
#include <string>

namespace rela {

/// Sizes of a tensor's axes, outermost first. Rank 0 is a scalar. No heap.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  /// Throws ShapeError for a rank above kMaxRank or a negative size.
  explicit Shape(std::span<const int64_t> dims);

  int rank() const { return rank_; }
  /// Size of one axis; a negative axis counts from the end. Throws ShapeError when out of range.
  int64_t operator[](int axis) const;
  int64_t back() const { return (*this)[-1]; }
  /// Product of all sizes: 1 for a scalar, 0 if any axis is empty.
  int64_t numel() const;
  /// Product of all but the last axis: the number of rows of this tensor as a matrix.
  int64_t rows() const;
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }

  bool operator==(const Shape& other) const = default;

 private:
  std::array<int64_t, kMaxRank> dims_{};  // unused entries stay 0, so that == compares everything
  int rank_ = 0;
};

/// "[2, 32, 32, 3]"
std::string to_string(const Shape& shape);
std::ostream& operator<<(std::ostream& out, const Shape& shape);

}  // namespace rela
