#include "rela/train/gradient_sums.h"

#include <utility>

#include "runtime/allocator.h"
#include "runtime/ops/cast.h"

namespace rela {

GradientSums::GradientSums(Communicator& ranks, std::span<const TrainedPart> parts,
                           const Options& options)
    : ranks_(ranks), parts_(parts.begin(), parts.end()) {
  if (ranks.is_alone()) return;
  for (const TrainedPart& part : parts_) add_buckets(part, options);
}

GradientSums::~GradientSums() {
  if (ranks_.is_alone()) return;
  for (const TrainedPart& part : parts_) {
    for (const NamedParameter& p : part.arena->parameters()) set_grad_hook(p.var, nullptr);
  }
}

/// Frozen segments get no gradients: nobody needs their sums.
void GradientSums::add_buckets(const TrainedPart& part, const Options& options) {
  const std::span<const ArenaSegment> all = part.arena->segments();
  const auto count = static_cast<size_t>(part.frozen_from.value_or(std::ssize(all)));
  for (size_t first = 0; first < count;) {
    size_t last = first;  // of the bucket
    const auto end_of = [&](size_t i) { return all[i].offset + all[i].size; };
    const auto bytes = [&] {
      return (end_of(last) - all[first].offset) * static_cast<int64_t>(sizeof(float));
    };
    while (last + 1 < count && bytes() < options.bucket_bytes) ++last;
    const size_t index = buckets_.size();
    Tensor gradients = part.arena->gradients().slice(all[first].offset, end_of(last));
    const MemoryUseGuard use(MemoryUse::kParameters);
    Tensor wire = options.wire == gradients.dtype()
                      ? gradients
                      : Tensor::empty(gradients.shape(), options.wire, gradients.device());
    buckets_.push_back({.gradients = std::move(gradients),
                        .wire = std::move(wire),
                        .segments = static_cast<int64_t>(last - first + 1)});
    for (size_t i = first; i <= last; ++i)
      set_grad_hook(part.arena->parameters()[i].var,
                    [this, index](Tensor&) { this->count(index); });
    first = last + 1;
  }
  waiting_ = buckets_.size();
}

void GradientSums::arm() {
  armed_ = true;
  for (Bucket& bucket : buckets_) bucket.missing = bucket.segments;
}

void GradientSums::count(size_t bucket) {
  if (!armed_ || --buckets_[bucket].missing > 0) return;
  while (waiting_ > 0 && buckets_[waiting_ - 1].missing == 0) begin_next();
}

void GradientSums::begin_next() {
  Bucket& bucket = buckets_[--waiting_];
  if (bucket.is_converted()) convert(bucket.gradients, bucket.wire);
  ranks_.begin_sum(wire_buffer(bucket.wire));
}

void GradientSums::finish() {
  for (const TrainedPart& part : parts_) part.arena->finish_gradients();
  while (waiting_ > 0) begin_next();
  ranks_.finish_sums();
  for (Bucket& bucket : buckets_) {
    if (bucket.is_converted()) convert(bucket.wire, bucket.gradients);
  }
  waiting_ = buckets_.size();
  armed_ = false;
}

}  // namespace rela
