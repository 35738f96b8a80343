#pragma once
// The gradients of a phase's parts, summed over the ranks while backward() is still computing
// others.
//
// Each arena is cut into buckets of neighbouring segments; backward() finishes them roughly from
// the last to the first. A bucket is summed as soon as all of its segments, and all buckets behind
// it, have their gradients: so all ranks sum in the same order, even if backward() reaches other
// segments on one of them.

#include <cstdint>
#include <span>
#include <vector>

#include "rela/train/trained_part.h"
#include "runtime/comm/communicator.h"

namespace rela {

class GradientSums {
 public:
  struct Options {
    int64_t bucket_bytes = 8 << 20;  // least size of a bucket, as f32
    /// What travels. bf16 is half as much, and each element of a sum over n ranks is then off by at
    /// most about (n + 1) / 256 times the sum of the ranks' magnitudes, or 1 / 128 over MPI, which
    /// rounds twice (Communicator::sum).
    Dtype wire = Dtype::kF32;
  };
  /// For parts that are updated once per step. They and `ranks` must outlive this object; only one
  /// object at a time has an arena.
  GradientSums(Communicator& ranks, std::span<const TrainedPart> parts, const Options& options);
  ~GradientSums();
  GradientSums(const GradientSums&) = delete;
  GradientSums& operator=(const GradientSums&) = delete;

  /// From now on backward() starts sums: call before the last one of a step, whose gradients are
  /// then complete.
  void arm();
  /// Completes the gradients of the parts: zeros where no backward() came, and the sums of all
  /// ranks. All ranks have the same bits.
  void finish();

  size_t buckets() const { return buckets_.size(); }

 private:
  struct Bucket {
    Tensor gradients;  // of the arena
    Tensor wire;       // what is summed: the gradients themselves if it has their type
    int64_t segments = 0;
    int64_t missing = 0;  // segments without a gradient in this step

    bool is_converted() const { return wire.dtype() != gradients.dtype(); }
  };
  void add_buckets(const TrainedPart& part, const Options& options);
  void count(size_t bucket);
  void begin_next();

  Communicator& ranks_;
  std::vector<TrainedPart> parts_;
  std::vector<Bucket> buckets_;
  size_t waiting_ = 0;  // buckets whose sums have not begun: the first ones
  bool armed_ = false;
};

}  // namespace rela
