#pragma once
// Stochastic depth (Huang et al. 2016, arXiv 1603.09382), per image: a branch that is left out
// counts 0 times, one that is kept 1 / (1 - its rate) times.

#include <array>
#include <cstdint>
#include <vector>

#include "rela/data/loader.h"
#include "runtime/tensor.h"
#include "runtime/upload.h"

namespace rela {

class DroppedBranches {
 public:
  /// `rates`: Backbone::branch_drop_rates().
  DroppedBranches(std::vector<float> rates, uint64_t seed, Device device);

  /// Draws for both views of a batch. What an image goes without depends on the seed, the epoch and
  /// the image, not on its place or on the number of ranks.
  void draw(const TwoViewBatch& batch);
  /// [branches, 2B] f32 on the device, at the same address for batches of one size; undefined if no
  /// branch is ever left out.
  const Tensor& factors() const { return factors_; }

 private:
  void fill(const TwoViewBatch& batch, Tensor& to) const;

  std::vector<float> rates_;
  uint64_t seed_;
  Device device_;
  Tensor factors_;
  std::array<Upload, 2> uploads_;  // used in turn, on cuda
  size_t turn_ = 0;
};

}  // namespace rela
