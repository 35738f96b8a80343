#include "runtime/shape.h"

#include <algorithm>

#include "runtime/error.h"

namespace rela {

Shape::Shape(std::span<const int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  RELA_CHECK(dims.size() <= kMaxRank, ShapeError, "shape: rank ", dims.size(), "; at most ",
             kMaxRank, " axes are allowed");
  std::copy(dims.begin(), dims.end(), dims_.begin());
  for (const int64_t d : dims) {
    RELA_CHECK(d >= 0, ShapeError, "shape: ", to_string(*this), " has a negative size");
  }
}

int64_t Shape::operator[](int axis) const {
  const int i = axis < 0 ? axis + rank_ : axis;
  RELA_CHECK(i >= 0 && i < rank_, ShapeError, "shape: axis ", axis, " of ", to_string(*this),
             "; rank is ", rank_);
  return dims_[static_cast<size_t>(i)];
}

int64_t Shape::numel() const {
  int64_t n = 1;
  for (const int64_t d : dims()) n *= d;
  return n;
}

int64_t Shape::rows() const {
  int64_t n = 1;
  for (int i = 0; i + 1 < rank_; ++i) n *= dims_[static_cast<size_t>(i)];
  return n;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (const int64_t d : shape.dims()) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(d);
  }
  return text + "]";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }

}  // namespace rela
