#include "rela/train/dropped_branches.h"

#include <utility>

#include "kernels/random/random_stream.h"
#include "rela/train/learner.h"

namespace rela {

DroppedBranches::DroppedBranches(std::vector<float> rates, uint64_t seed, Device device)
    : rates_(std::move(rates)), seed_(seed), device_(device) {}

void DroppedBranches::draw(const TwoViewBatch& batch) {
  if (rates_.empty()) return;
  const Shape shape{static_cast<int64_t>(rates_.size()), kViews * batch.samples.numel()};
  if (!factors_.defined() || factors_.shape() != shape)
    factors_ = Tensor::empty(shape, Dtype::kF32, device_);
  if (device_ == Device::kCpu) return fill(batch, factors_);
  Upload& upload = uploads_[turn_];
  turn_ = 1 - turn_;
  fill(batch, upload.host(shape, Dtype::kF32));
  upload.send(factors_);
}

void DroppedBranches::fill(const TwoViewBatch& batch, Tensor& to) const {
  const std::span<const int64_t> samples = std::as_const(batch.samples).span<int64_t>();
  const size_t images = samples.size(), columns = kViews * images;
  for (size_t column = 0; column < columns; ++column) {
    RandomStream random({.seed = seed_,
                         .epoch = static_cast<uint32_t>(batch.epoch),
                         .sample = static_cast<uint64_t>(samples[column % images]),
                         .view = static_cast<uint8_t>(column / images),
                         .op = RandomOp::kDropPath});
    for (size_t branch = 0; branch < rates_.size(); ++branch) {
      const bool is_dropped = random.bernoulli(rates_[branch]);
      to.span<float>()[branch * columns + column] = is_dropped ? 0 : 1 / (1 - rates_[branch]);
    }
  }
}

}  // namespace rela
