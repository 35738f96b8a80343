#include "rela/train/rela_phase.h"

#include <cmath>

#include "rela/prior/prior.h"
#include "runtime/log.h"

namespace rela {
namespace {

constexpr uint64_t kMapStream = 4;  // backbone, heads and classifier take the seeds before it

Targets make_targets(const ExperimentConfig& config, const ImageDataset& dataset,
                     const RunDirectory& run, ProgressDisplay::Style progress) {
  const int64_t student_width = make_backbone(backbone_spec(config))->feature_width();
  const Prior prior({.model = config.rela.prior.model,
                     .weights = config.rela.prior.weights,
                     .normalize = config.rela.prior.normalize,
                     .student = backbone_spec(config),
                     .seed = static_cast<uint64_t>(config.seed),
                     .student_image_size = config.view(0).crop_size});
  log_info("prior: ", prior.description(), ", ", prior.width(), " features of ",
           prior.input().image_size, "-pixel images");
  const std::string path = config.rela.targets_path.empty() ? run.file("targets.bin").string()
                                                            : config.rela.targets_path;
  return Targets::open_or_build(prior, dataset,
                                {.path = path,
                                 .student_width = student_width,
                                 .pca_dim = config.rela.pca_dim,
                                 .progress = progress});
}

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
                     const RunDirectory& run, Device device, ProgressDisplay::Style progress)
    : targets_(make_targets(config, dataset, run, progress)),
      switch_(make_switch(config, dataset.size())),
      device_(device) {
  const int64_t width = make_backbone(backbone_spec(config))->feature_width();
  map_ = std::make_unique<Linear>(width, targets_.width());
  initialize(*map_, static_cast<uint64_t>(config.seed) + kMapStream);
  std::vector<NamedParameter> parameters = map_->parameters("map");
  weight_ = parameters[0].var;
  bias_ = parameters[1].var;
  const auto precision = compute_dtype(config) == Dtype::kBf16 ? ParameterArena::Precision::kBf16
                                                               : ParameterArena::Precision::kF32;
  arena_ = std::make_unique<ParameterArena>(std::move(parameters), precision, device);
  if (config.rela.train_map) {
    optimizer_ = std::make_unique<Optimizer>(optimizer_spec(config), *arena_, nullptr);
  } else {
    weight_ = weight_.detach();
    bias_ = bias_.detach();
  }
}

Var RelaPhase::loss(const Var& features, const Tensor& samples) {
  const Shape wanted{samples.numel(), targets_.width()};
  if (!batch_targets_.defined() || batch_targets_.shape() != wanted)
    batch_targets_ = Tensor::empty(wanted, Dtype::kF32);
  targets_.gather(samples.span<int64_t>(), batch_targets_);
  return transport_cosine_loss(features, weight_, bias_, batch_targets_.to(device_));
}

void RelaPhase::zero_grad() { arena_->zero_grad(); }

bool RelaPhase::finish_step(int64_t step, double loss, float lr) {
  if (optimizer_) optimizer_->step(lr, /*tau=*/1);
  return switch_.update(step, loss);
}

}  // namespace rela
