#pragma once
// Bootstrap Your Own Latent (Grill et al. 2020, arXiv 2006.07733).
//
// Online network: backbone, projector, predictor. Target network: backbone and projector, an
// exponential moving average of the online ones, without gradient. Both views of a batch go through
// a network in one pass; batch norm keeps them apart (groups = 2).

#include <memory>

#include "nn/backbone.h"
#include "nn/layers.h"
#include "nn/parameter_arena.h"
#include "nn/state.h"

namespace rela {

struct ByolSpec {
  BackboneSpec backbone;
  int64_t proj_hidden_dim = 0;  // 0: twice the feature width
  int64_t proj_output_dim = 256;
  int64_t pred_hidden_dim = 0;  // 0: twice the feature width
  LossReduction loss_reduction = LossReduction::kSum;
  Dtype compute = Dtype::kF32;  // of activations: f32, or bf16 for bf16-mixed training
};

class Byol {
 public:
  /// Weights of the online network from random streams of `seed`; the target starts as its copy.
  Byol(const ByolSpec& spec, uint64_t seed);

  struct Output {
    Var loss;         // scalar f32
    Tensor features;  // [2B, D] of the online backbone, cut off from the tape
  };
  /// images [2B, H, W, 3] in the compute dtype: view 1 of all, then view 2 of all. Training mode.
  Output forward(const Tensor& images);

  /// Features of the online backbone, evaluation mode, no tape.  images [B, H, W, 3] -> [B, D]
  /// compute dtype.
  Tensor embed(const Tensor& images);

  /// The target's batch norm statistics follow the online network's with share tau kept; its own
  /// batches only normalise. Its weights are averaged by the optimiser's kernel. Once per optimiser
  /// step.
  void average_statistics(float tau);

  int64_t feature_width() const { return online_.backbone->feature_width(); }
  Dtype compute() const { return spec_.compute; }
  const ByolSpec& spec() const { return spec_; }
  ParameterArena& online() { return *online_arena_; }
  ParameterArena& target() { return *target_arena_; }

  /// "backbone.*", "projector.*", "predictor.*"
  std::vector<StateTensor> online_state() const;
  /// "backbone.*", "projector.*"
  std::vector<StateTensor> target_state() const;
  /// The online backbone alone, torchvision's names without a prefix.
  std::vector<StateTensor> backbone_state() const { return state_of(*online_.backbone); }

 private:
  struct Network {
    std::unique_ptr<Backbone> backbone;
    std::unique_ptr<MlpHead> projector;
    std::unique_ptr<MlpHead> predictor;  // online only
  };
  Network make_network();

  ByolSpec spec_;
  Network online_;
  Network target_;
  std::vector<NamedBuffer> online_buffers_;  // of backbone and projector: what the target averages
  std::vector<NamedBuffer> target_buffers_;
  std::unique_ptr<ParameterArena> online_arena_;
  std::unique_ptr<ParameterArena> target_arena_;
};

}  // namespace rela
