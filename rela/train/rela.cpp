#include "rela/train/rela.h"

#include <filesystem>
#include <numeric>
#include <vector>

#include "rela/prior/prior.h"
#include "rela/targets/target_builder.h"
#include "rela/train/json_member.h"
#include "rela/train/setup.h"
#include "runtime/allocator.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/ops/gather.h"

namespace rela {
namespace {

constexpr uint64_t kMapStream = 4;  // backbone, heads and classifier use the lower numbers

TargetOptions target_options(const ExperimentConfig& config, int64_t feature_width,
                             ProgressDisplay::Style progress) {
  const std::string& shared = config.rela.targets_path;
  const std::string in_run = (std::filesystem::path(config.out) / "targets.bin").string();
  return {.path = shared.empty() ? in_run : shared,
          .student_width = feature_width,
          .pca_dim = config.rela.pca_dim,
          .progress = progress};
}

Targets open_targets(const ExperimentConfig& config, const ImageDataset& dataset,
                     const BackboneLearner& base, Communicator& ranks,
                     ProgressDisplay::Style progress) {
  const Prior prior(prior_spec(config), base.device());
  log_info("prior: ", prior.description(), ", ", prior.width(), " features of ",
           prior.input().image_size, "-pixel images");
  return Targets::open_or_build(prior, dataset,
                                target_options(config, base.feature_width(), progress), ranks);
}

PhaseSwitch make_switch(const ExperimentConfig& config, int64_t dataset_size) {
  const SwitchConfig& s = config.rela.phase_switch;
  if (s.mode != SwitchConfig::Mode::kFixed) return PhaseSwitch(s.mode);
  return PhaseSwitch(s.mode, fixed_switch_step(config, run_length(config, dataset_size)));
}

void check_learned(const std::string& where, const std::string& learned, const std::string& now) {
  RELA_CHECK(learned == now, WeightsError, where, ": the run has learned the targets ", learned,
             ", and the prior now gives ", now,
             "; restore the prior's weights and the data, or start anew with --overwrite");
}

/// All targets in GPU memory; undefined on the CPU, or if they are too large.
Tensor table_of(const Targets& targets, Device device) {
  const auto bytes = static_cast<size_t>(targets.size() * targets.width()) * sizeof(float);
  if (device == Device::kCpu || bytes > Rela::kTableBytes) return {};
  const MemoryUseGuard use(MemoryUse::kData);
  std::vector<int64_t> all(static_cast<size_t>(targets.size()));
  std::iota(all.begin(), all.end(), 0);
  Tensor host = Tensor::empty({targets.size(), targets.width()}, Dtype::kF32);
  targets.gather(all, host);
  return host.to(device);
}

}  // namespace

void check_prior(const ExperimentConfig& config, const ImageDataset& dataset, int64_t feature_width,
                 const std::string& learned) {
  const Prior prior(prior_spec(config), Device::kCpu);
  const TargetBuilder builder(prior, dataset,
                              target_options(config, feature_width, ProgressDisplay::Style::kOff));
  if (!learned.empty()) check_learned(config.out, learned, builder.fingerprint());
}

Rela::Rela(const ExperimentConfig& config, const ImageDataset& dataset, BackboneLearner& base,
           ProgressDisplay::Style progress, Communicator& ranks)
    : base_(base),
      targets_(open_targets(config, dataset, base, ranks, progress)),
      switch_(make_switch(config, dataset.size())),
      map_(std::make_unique<Linear>(base.feature_width(), targets_.width())),
      table_(table_of(targets_, base.device())) {
  initialize(*map_, static_cast<uint64_t>(config.seed) + kMapStream);
  std::vector<NamedParameter> parameters = map_->parameters("map");
  weight_ = parameters[0].var;
  bias_ = parameters[1].var;
  arena_ = std::make_unique<ParameterArena>(std::move(parameters), base.compute(), base.device());
  if (config.rela.train_map) {
    optimizer_ = std::make_unique<Optimizer>(config.optimizer, *arena_, nullptr);
  } else {
    weight_ = weight_.detach();
    bias_ = bias_.detach();
  }
}

void Rela::prepare(const TwoViewBatch& batch) {
  base_.prepare(batch);
  const Tensor& samples = batch.samples;
  const Device device = arena_->device();
  const Shape wanted{samples.numel(), targets_.width()};
  const MemoryUseGuard use(MemoryUse::kData);
  if (device == Device::kCpu) {
    batch_targets_ = upload_.host(wanted, Dtype::kF32);
    targets_.gather(samples.span<int64_t>(), batch_targets_);
    return;
  }
  if (!batch_targets_.defined() || batch_targets_.shape() != wanted) {
    batch_targets_ = Tensor::empty(wanted, Dtype::kF32, device);
    positions_ = Tensor::empty(samples.shape(), Dtype::kI64, device);
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

Var Rela::loss(const Var& features, const TwoViewBatch& /*batch*/) {
  return transport_cosine_loss(features, weight_, bias_, batch_targets_);
}

std::string Rela::farewell() const {
  return cat("the ReLA phase is over (rho ", switch_.state().rho, ")");
}

std::string Rela::complaint_at_end() const {
  return cat("the run ended before the switch: rho ", switch_.state().rho,
             ", the ReLA phase ends at ", PhaseSwitch::kSettled);
}

void Rela::describe(RunFacts& start) const {
  start.target_width = targets_.width();
  start.targets = targets_.fingerprint();
  start.map = optimizer_ ? "trained" : "fixed";
}

void Rela::describe(TrainEvent& event) const { event.rho = switch_.state().rho; }

void Rela::describe(PhaseSwitchEvent& event) const {
  const SwitchState& s = switch_.state();
  event.slow = s.slow;
  event.fast = s.fast;
  event.rho = s.rho;
}

JsonValue::Object Rela::progress() const {
  const SwitchState& s = switch_.state();
  return {{"slow", s.slow}, {"fast", s.fast}, {"rho", s.rho}, {"targets", targets_.fingerprint()}};
}

void Rela::restore(const JsonValue& progress, const std::string& file) {
  const auto targets = required_member<std::string>(progress, "targets", file);
  check_learned(file, targets, targets_.fingerprint());
  switch_.restore({required_member<double>(progress, "slow", file),
                   required_member<double>(progress, "fast", file),
                   required_member<double>(progress, "rho", file)});
}

TrainedPart Rela::map_part() {
  return {.name = "map",
          .arena = arena_.get(),
          .optimizer = optimizer_.get(),
          .state = state_of(*map_, "map")};
}

}  // namespace rela
