#include "nn/optimizer.h"

#include <cmath>
#include <cstring>

#include "runtime/allocator.h"
#include "runtime/error.h"
#include "runtime/kernel_table.h"

namespace rela {
namespace {

const KernelTable<SgdStepFn> kSgd{"sgd_step", sgd_step_cpu, RELA_CUDA_KERNEL(sgd_step_cuda)};
const KernelTable<AdamWStepFn> kAdamW{"adamw_step", adamw_step_cpu,
                                      RELA_CUDA_KERNEL(adamw_step_cuda)};
const KernelTable<LarsStepFn> kLars{"lars_step", lars_step_cpu, RELA_CUDA_KERNEL(lars_step_cuda)};
const KernelTable<LarsWorkspaceFn> kLarsWorkspace{"lars_step workspace", lars_workspace_bytes_cpu,
                                                  RELA_CUDA_KERNEL(lars_workspace_bytes_cuda)};

float f32(double x) { return static_cast<float>(x); }

SgdArgs sgd_args(const OptimizerSpec& s, Scalar<float> lr) {
  return {.lr = lr,
          .momentum = f32(s.momentum),
          .weight_decay = f32(s.weight_decay),
          .nesterov = s.nesterov};
}

AdamWArgs adamw_args(const OptimizerSpec& s, Scalar<float> lr, Scalar<int64_t> step) {
  return {.lr = lr,
          .beta1 = f32(s.beta1),
          .beta2 = f32(s.beta2),
          .eps = f32(s.eps),
          .weight_decay = f32(s.weight_decay),
          .step = step};
}

LarsArgs lars_args(const OptimizerSpec& s, Scalar<float> lr) {
  return {.lr = lr,
          .momentum = f32(s.momentum),
          .weight_decay = f32(s.weight_decay),
          .trust_coefficient = f32(s.trust_coefficient)};
}

Tensor on_device(const std::vector<OptimizerPiece>& pieces, Device device) {
  const auto bytes = static_cast<int64_t>(pieces.size() * sizeof(OptimizerPiece));
  Tensor host = Tensor::empty({bytes}, Dtype::kU8);
  std::memcpy(host.data<uint8_t>(), pieces.data(), host.bytes());
  return host.to(device);
}

}  // namespace

Optimizer::Optimizer(const OptimizerSpec& spec, ParameterArena& arena, MovingAverage* target)
    : spec_(spec), arena_(arena), target_(target), numbers_(arena.device()) {
  RELA_CHECK(target == nullptr || &target->online() == &arena, InternalError,
             "optimizer: the target is the average of other parameters");
  for (const ArenaSegment& s : arena.segments()) {
    segments_.push_back(
        {s.offset, s.size,
         !is_frozen(s.kind) && !(spec.exclude_bias_and_norm && is_bias_or_norm(s.kind)),
         f32(std::pow(spec.layer_decay, static_cast<double>(s.blocks_above)))});
  }
  const MemoryUseGuard use(MemoryUse::kOptimizer);
  const Device device = arena.device();
  if (device != Device::kCpu) pieces_ = on_device(optimizer_pieces(segments_), device);
  moment1_ = Tensor::zeros({arena.size()}, Dtype::kF32, device);
  if (spec.name == OptimizerSpec::Name::kAdamW)
    moment2_ = Tensor::zeros({arena.size()}, Dtype::kF32, device);
}

void Optimizer::freeze_from(int64_t first) {
  RELA_CHECK(counters_.frozen_steps == 0 || counters_.frozen_from == first, InternalError,
             "optimizer: segments from ", first, " on shall be frozen, and those from ",
             counters_.frozen_from, " on have been frozen before");
  counters_.frozen_from = first;
  is_frozen_ = true;
}

void Optimizer::unfreeze() { is_frozen_ = false; }

OptimizerLayout Optimizer::layout() const {
  if (!pieces_.defined()) return {segments_};
  return {segments_, static_cast<const OptimizerPiece*>(pieces_.raw())};
}

OptimizerArrays Optimizer::arrays(const Tensor& gradient_squares) {
  OptimizerArrays arrays{.weights = arena_.values().ptr<float>(),
                         .gradients = arena_.gradients().ptr<float>(),
                         .moment1 = moment1_.ptr<float>(),
                         .tau = tau(),
                         .gradient_scale = gradient_scale_};
  if (gradient_squares.defined()) {
    arrays.gradient_squares = static_cast<const double*>(gradient_squares.raw());
  }
  if (moment2_.defined()) arrays.moment2 = moment2_.ptr<float>();
  if (Tensor& copy = arena_.compute_copy(); copy.defined()) {
    arrays.compute_weights = copy.raw();
    arrays.compute = copy.dtype();
  }
  if (target_ != nullptr) {
    ParameterArena& target = target_->weights();
    arrays.target = target.values().ptr<float>();
    arrays.target_size = target.size();
    if (target.compute_copy().defined()) arrays.compute_target = target.compute_copy().raw();
  }
  return arrays;
}

void Optimizer::step(float lr, float tau) {
  begin_step(lr, tau);
  update();
}

void Optimizer::begin_step(float lr, float tau) {
  ++counters_.steps;
  if (is_frozen_) ++counters_.frozen_steps;
  numbers_.set({lr, tau, counters_.steps, counters_.steps - counters_.frozen_steps});
}

void Optimizer::forget_step() {
  --counters_.steps;
  if (is_frozen_) --counters_.frozen_steps;
}

void Optimizer::update(const Tensor& gradient_squares) {
  const OptimizerArrays arrays = this->arrays(gradient_squares);
  const OptimizerLayout all = layout();
  const Scalar<int64_t> steps(&numbers_.pointer()->steps);
  if (counters_.frozen_steps == 0) {
    update(arrays, all, steps);
  } else {
    const auto front = static_cast<size_t>(counters_.frozen_from);
    update(arrays, all.first(front), steps);
    const Scalar<int64_t> unfrozen_steps(&numbers_.pointer()->unfrozen_steps);
    if (!is_frozen_) update(arrays, all.after(front), unfrozen_steps);
  }
  if (target_ != nullptr) target_->update_statistics(tau());
}

void Optimizer::update(OptimizerArrays arrays, const OptimizerLayout& layout,
                       Scalar<int64_t> steps) {
  const Device device = arena_.device();
  const Scalar<float> lr(&numbers_.pointer()->lr);
  switch (spec_.name) {
    case OptimizerSpec::Name::kSgd:
      kSgd.launch(device, arrays, layout, sgd_args(spec_, lr));
      break;
    case OptimizerSpec::Name::kAdamW:
      kAdamW.launch(device, arrays, layout, adamw_args(spec_, lr, steps));
      break;
    case OptimizerSpec::Name::kLars: {
      Scratch scratch(kLarsWorkspace.at(device)(layout), device);
      arrays.workspace = scratch.workspace();
      kLars.launch(device, arrays, layout, lars_args(spec_, lr));
      break;
    }
  }
}

std::vector<NamedState> Optimizer::state() const {
  if (moment2_.defined()) return {{"exp_avg", moment1_}, {"exp_avg_sq", moment2_}};
  return {{"momentum", moment1_}};
}

}  // namespace rela
