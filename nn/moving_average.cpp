#include "nn/moving_average.h"

#include <utility>

#include "kernels/optimizer/optimizer.h"
#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/recorded_work.h"

namespace rela {
namespace {

const KernelTable<EmaFn> kEma{"ema", ema_cpu, RELA_CUDA_KERNEL(ema_cuda)};

Dtype compute_dtype(ParameterArena& arena) {
  return arena.compute_copy().defined() ? arena.compute_copy().dtype() : Dtype::kF32;
}

}  // namespace

MovingAverage::MovingAverage(ParameterArena& online, std::vector<NamedBuffer> online_statistics,
                             Network network)
    : online_(online),
      online_statistics_(std::move(online_statistics)),
      statistics_(std::move(network.statistics)),
      weights_(std::move(network.parameters), compute_dtype(online), online.device()) {
  RELA_CHECK(weights_.is_prefix_of(online), InternalError,
             "moving average: its parameters are not the first of the online ones");
  RELA_CHECK(statistics_.size() == online_statistics_.size(), InternalError,
             "moving average: ", statistics_.size(), " statistics follow ",
             online_statistics_.size());
}

void MovingAverage::copy_online_weights() {
  weights_.values().copy_from(online_.values().segment(0, {weights_.size()}));
  weights_.refresh_compute_copy();
}

void MovingAverage::update_statistics(Scalar<float> tau) {
  for (size_t i = 0; i < statistics_.size(); ++i) {
    Tensor& target = statistics_[i].value;
    const Tensor& online = online_statistics_[i].value;
    if (target.dtype() == Dtype::kI64) {
      on_each_run([target, online]() mutable { target.copy_from(online); });
    } else {
      ema_update(target, online, tau);
    }
  }
}

void ema_update(Tensor& target, const Tensor& source, Scalar<float> tau) {
  RELA_CHECK(target.shape() == source.shape(), ShapeError, "ema: target ", describe(target),
             ", source ", describe(source), "; shapes must agree");
  kEma.launch(target.device(), target.ptr<float>(), source.ptr<float>(), target.numel(), tau);
}

}  // namespace rela
