#pragma once
// The exponential moving average of a network, BYOL's target:
//   target <- tau target + (1 - tau) online, once per optimiser step.

#include <vector>

#include "nn/module.h"
#include "nn/parameter_arena.h"

namespace rela {

/// A network that follows another one. Optimizer::update() moves all of it: the weights in its own
/// kernel, which has just computed the new ones, and then the statistics.
class MovingAverage {
 public:
  /// A network's parameters and the statistics of its normalisation layers.
  struct Network {
    std::vector<NamedParameter> parameters;
    std::vector<NamedBuffer> statistics;
  };
  /// Lays out the network's parameters beside the online ones, with the values they have. `online`
  /// must outlive this object; `online_statistics` correspond to the network's one to one. Throws
  /// InternalError unless the parameters are the first of the online ones.
  MovingAverage(ParameterArena& online, std::vector<NamedBuffer> online_statistics,
                Network network);
  MovingAverage(const MovingAverage&) = delete;
  MovingAverage& operator=(const MovingAverage&) = delete;

  const ParameterArena& online() const { return online_; }
  ParameterArena& weights() { return weights_; }

  /// Starts anew: the weights become the online ones.
  void copy_online_weights();
  /// The statistics' part of a step; counters are copied.
  void update_statistics(Scalar<float> tau);

 private:
  ParameterArena& online_;
  std::vector<NamedBuffer> online_statistics_;
  std::vector<NamedBuffer> statistics_;
  ParameterArena weights_;
};

/// target <- tau target + (1 - tau) source, f32 tensors of one shape.
void ema_update(Tensor& target, const Tensor& source, Scalar<float> tau);

}  // namespace rela
