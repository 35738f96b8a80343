#pragma once
// All parameters of a network in one flat array, their gradients in another of the same layout,
// their 16-bit copies in a third: the optimiser, the EMA and casts are each one kernel over one
// array.

#include <span>
#include <string>
#include <vector>

#include "nn/module.h"

namespace rela {

/// The position of one parameter in the arena's arrays.
struct ArenaSegment {
  std::string name;
  int64_t offset = 0;  // elements; a multiple of 16, so that every segment is 64-byte aligned
  int64_t size = 0;    // elements
  ParameterKind kind = ParameterKind::kLinearWeight;
  int64_t blocks_above = 0;
};

class ParameterArena {
 public:
  /// Moves the values of the parameters into an arena on `device` and points the parameters there,
  /// in the given order. Gaps between segments hold zeros. If `compute` is not f32, ops use the
  /// arena's copy rounded to it.
  ParameterArena(std::vector<NamedParameter> parameters, Dtype compute,
                 Device device = Device::kCpu);

  int64_t size() const { return values_.numel(); }  // elements, gaps included
  Device device() const { return values_.device(); }
  std::span<const ArenaSegment> segments() const { return segments_; }
  const std::vector<NamedParameter>& parameters() const { return parameters_; }

  Tensor& values() { return values_; }              // [size] f32
  Tensor& gradients() { return gradients_; }        // [size] f32
  Tensor& compute_copy() { return compute_copy_; }  // [size] of `compute`; undefined in f32

  /// The next backward() overwrites the gradients.
  void zero_grad();
  /// Zeroes the gradients of parameters that no backward() has reached since zero_grad().
  void finish_gradients();
  /// Rounds all values again, after something other than an optimiser changed them.
  void refresh_compute_copy();

  /// True when the first segments of `larger` are exactly this arena's: then one array op over this
  /// arena's size covers both, such as the EMA of a target without the predictor.
  bool is_prefix_of(const ParameterArena& larger) const;

 private:
  std::vector<NamedParameter> parameters_;
  std::vector<ArenaSegment> segments_;
  Tensor values_;
  Tensor gradients_;
  Tensor compute_copy_;
};

}  // namespace rela
