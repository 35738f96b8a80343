#include "rela/train/rela_phase.h"

#include "rela/train/setup.h"
#include "rela/train/target_setup.h"
#include "runtime/allocator.h"

namespace rela {
namespace {

constexpr uint64_t kMapStream = 4;  // backbone, heads and classifier take the seeds before it

PhaseSwitch make_switch(const ExperimentConfig& config, int64_t dataset_size) {
  const SwitchConfig& s = config.rela.phase_switch;
  switch (s.mode) {
    case SwitchConfig::Mode::kAdaptive:
      return PhaseSwitch(PhaseSwitch::Mode::kAdaptive);
    case SwitchConfig::Mode::kNever:
      return PhaseSwitch(PhaseSwitch::Mode::kNever);
    case SwitchConfig::Mode::kFixed:
      break;
  }
  return PhaseSwitch(PhaseSwitch::Mode::kFixed,
                     fixed_switch_step(config, run_length(config, dataset_size)));
}

}  // namespace

RelaPhase::RelaPhase(const ExperimentConfig& config, const ImageDataset& dataset,
                     int64_t feature_width, Device device, ProgressDisplay::Style progress)
    : targets_(targets_of(config, dataset, feature_width, progress)),
      switch_(make_switch(config, dataset.size())),
      map_(std::make_unique<Linear>(feature_width, targets_.width())),
      device_(device) {
  initialize(*map_, static_cast<uint64_t>(config.seed) + kMapStream);
  std::vector<NamedParameter> parameters = map_->parameters("map");
  weight_ = parameters[0].var;
  bias_ = parameters[1].var;
  arena_ = std::make_unique<ParameterArena>(std::move(parameters), compute_dtype(config), device);
  if (config.rela.train_map) {
    optimizer_ = std::make_unique<Optimizer>(optimizer_spec(config), *arena_, nullptr);
  } else {
    weight_ = weight_.detach();
    bias_ = bias_.detach();
  }
}

void RelaPhase::fetch_targets(const Tensor& samples) {
  const Shape wanted{samples.numel(), targets_.width()};
  const MemoryUseGuard use(MemoryUse::kData);
  Tensor& host = upload_.host(wanted, Dtype::kF32);
  targets_.gather(samples.span<int64_t>(), host);
  if (device_ == Device::kCpu) {
    batch_targets_ = host;
    return;
  }
  if (!batch_targets_.defined() || batch_targets_.shape() != wanted) {
    batch_targets_ = Tensor::empty(wanted, Dtype::kF32, device_);
  }
  upload_.send(batch_targets_);
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
