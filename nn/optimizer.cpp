#include "nn/optimizer.h"

#include "runtime/error.h"
#include "runtime/kernel_table.h"

namespace rela {
namespace {

const KernelTable<SgdStepFn> kSgd{"sgd_step", sgd_step_cpu};
const KernelTable<AdamWStepFn> kAdamW{"adamw_step", adamw_step_cpu};
const KernelTable<LarsStepFn> kLars{"lars_step", lars_step_cpu};
const KernelTable<EmaFn> kEma{"ema", ema_cpu};

}  // namespace

Optimizer::Optimizer(const OptimizerSpec& spec, ParameterArena& arena, ParameterArena* target)
    : spec_(spec), arena_(arena), target_(target) {
  RELA_CHECK(target == nullptr || target->is_prefix_of(arena), InternalError,
             "optimizer: the target's parameters are not the first of the trained ones");
  for (const ArenaSegment& s : arena.segments()) {
    segments_.push_back(
        {s.offset, s.size, !(spec.exclude_bias_and_norm && is_bias_or_norm(s.kind))});
  }
  moment1_ = Tensor::zeros({arena.size()}, Dtype::kF32);
  if (spec.name == OptimizerSpec::Name::kAdamW)
    moment2_ = Tensor::zeros({arena.size()}, Dtype::kF32);
}

void Optimizer::rest_from(int64_t first) {
  RELA_CHECK(counters_.rested == 0 || counters_.rested_from == first, InternalError,
             "optimizer: segments from ", first, " on shall rest, and those from ",
             counters_.rested_from, " on have rested before");
  counters_.rested_from = first;
  resting_ = true;
}

void Optimizer::wake() { resting_ = false; }

OptimizerArrays Optimizer::arrays(float tau) {
  OptimizerArrays arrays{.weights = arena_.values().data<float>(),
                         .gradients = arena_.gradients().data<float>(),
                         .moment1 = moment1_.data<float>(),
                         .tau = tau};
  if (moment2_.defined()) arrays.moment2 = moment2_.data<float>();
  if (arena_.bf16_values().defined()) arrays.bf16_weights = arena_.bf16_values().data<Bf16>();
  if (target_ != nullptr) {
    arrays.target = target_->values().data<float>();
    arrays.target_size = target_->size();
    if (target_->bf16_values().defined()) arrays.bf16_target = target_->bf16_values().data<Bf16>();
  }
  return arrays;
}

void Optimizer::step(float lr, float tau) {
  ++counters_.steps;
  if (resting_) ++counters_.rested;
  arena_.finish_gradients();
  const std::span<const OptimizerSegment> all = segments_;
  if (counters_.rested == 0) {
    update(arrays(tau), all, lr, counters_.steps);
    return;
  }
  const auto front = static_cast<size_t>(counters_.rested_from);
  update(arrays(tau), all.first(front), lr, counters_.steps);
  if (!resting_) update(arrays(tau), all.subspan(front), lr, counters_.steps - counters_.rested);
}

void Optimizer::update(const OptimizerArrays& arrays, std::span<const OptimizerSegment> segments,
                       float lr, int64_t steps) {
  const Device device = arena_.values().device();
  switch (spec_.name) {
    case OptimizerSpec::Name::kSgd:
      kSgd.at(device)(arrays, segments, {lr, spec_.momentum, spec_.weight_decay, spec_.nesterov},
                      Stream{});
      break;
    case OptimizerSpec::Name::kAdamW:
      kAdamW.at(device)(arrays, segments,
                        {lr, spec_.beta1, spec_.beta2, spec_.eps, spec_.weight_decay, steps},
                        Stream{});
      break;
    case OptimizerSpec::Name::kLars:
      kLars.at(device)(arrays, segments,
                       {lr, spec_.momentum, spec_.weight_decay, spec_.trust_coefficient}, Stream{});
      break;
  }
}

std::vector<NamedState> Optimizer::state() const {
  if (moment2_.defined()) return {{"exp_avg", moment1_}, {"exp_avg_sq", moment2_}};
  return {{"momentum", moment1_}};
}

void ema_update(Tensor& target, const Tensor& source, float tau) {
  RELA_CHECK(target.shape() == source.shape(), ShapeError, "ema: target ", describe(target),
             ", source ", describe(source), "; shapes must agree");
  kEma.at(target.device())(target.data<float>(), source.data<float>(), target.numel(), tau,
                           Stream{});
}

}  // namespace rela
