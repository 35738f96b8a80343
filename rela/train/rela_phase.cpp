#include "rela/train/rela_phase.h"

#include <numeric>
#include <vector>

#include "rela/train/setup.h"
#include "rela/train/target_setup.h"
#include "runtime/allocator.h"
#include "runtime/ops/gather.h"

namespace rela {
namespace {

constexpr uint64_t kMapStream = 4;  // backbone, heads and classifier use the lower numbers

PhaseSwitch make_switch(const ExperimentConfig& config, int64_t dataset_size) {
  const SwitchConfig& s = config.rela.phase_switch;
  if (s.mode != SwitchConfig::Mode::kFixed) return PhaseSwitch(s.mode);
  return PhaseSwitch(s.mode, fixed_switch_step(config, run_length(config, dataset_size)));
}

/// All targets in GPU memory; undefined on the CPU, or if they are too large.
Tensor table_of(const Targets& targets, Device device) {
  const auto bytes = static_cast<size_t>(targets.size() * targets.width()) * sizeof(float);
  if (device == Device::kCpu || bytes > RelaPhase::kTableBytes) return {};
  const MemoryUseGuard use(MemoryUse::kData);
  std::vector<int64_t> all(static_cast<size_t>(targets.size()));
  std::iota(all.begin(), all.end(), 0);
  Tensor host = Tensor::empty({targets.size(), targets.width()}, Dtype::kF32);
  targets.gather(all, host);
  return host.to(device);
}

}  // namespace

RelaPhase::RelaPhase(const ExperimentConfig& config, const ImageDataset& dataset,
                     int64_t feature_width, Device device, ProgressDisplay::Style progress)
    : targets_(targets_of(config, dataset, feature_width, device, progress)),
      switch_(make_switch(config, dataset.size())),
      map_(std::make_unique<Linear>(feature_width, targets_.width())),
      device_(device),
      table_(table_of(targets_, device)) {
  initialize(*map_, static_cast<uint64_t>(config.seed) + kMapStream);
  std::vector<NamedParameter> parameters = map_->parameters("map");
  weight_ = parameters[0].var;
  bias_ = parameters[1].var;
  arena_ = std::make_unique<ParameterArena>(std::move(parameters), compute_dtype(config), device);
  if (config.rela.train_map) {
    optimizer_ = std::make_unique<Optimizer>(config.optimizer, *arena_, nullptr);
  } else {
    weight_ = weight_.detach();
    bias_ = bias_.detach();
  }
}

void RelaPhase::fetch_targets(const Tensor& samples) {
  const Shape wanted{samples.numel(), targets_.width()};
  const MemoryUseGuard use(MemoryUse::kData);
  if (device_ == Device::kCpu) {
    batch_targets_ = upload_.host(wanted, Dtype::kF32);
    targets_.gather(samples.span<int64_t>(), batch_targets_);
    return;
  }
  if (!batch_targets_.defined() || batch_targets_.shape() != wanted) {
    batch_targets_ = Tensor::empty(wanted, Dtype::kF32, device_);
    positions_ = Tensor::empty(samples.shape(), Dtype::kI64, device_);
  }
  if (!table_.defined()) {
    targets_.gather(samples.span<int64_t>(), upload_.host(wanted, Dtype::kF32));
    upload_.send(batch_targets_);
    return;
  }
  targets_.check(samples.span<int64_t>());
  upload_.host(samples.shape(), Dtype::kI64).copy_from(samples);
  upload_.send(positions_);
  gather_rows(table_, positions_, batch_targets_);
}

Var RelaPhase::loss(const Var& features) {
  return transport_cosine_loss(features, weight_, bias_, batch_targets_);
}

void RelaPhase::zero_grad() { arena_->zero_grad(); }

void RelaPhase::begin_map_step(float lr) {
  if (optimizer_) optimizer_->begin_step(lr, /*tau=*/1);
}

void RelaPhase::update_map() {
  if (optimizer_) optimizer_->update();
}

}  // namespace rela
