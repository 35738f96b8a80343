#pragma once
// What a phase trains, part by part: each part has its parameters and the optimiser that moves
// them.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nn/optimizer.h"
#include "nn/state.h"
#include "runtime/readback.h"

namespace rela {

/// Predictions that were counted.
struct Hits {
  int64_t correct = 0;
  int64_t total = 0;
};

/// The loss of a part that learns from the backbone's features without touching the backbone.
class ProbeLoss {
 public:
  virtual ~ProbeLoss() = default;
  /// Scalar f32, from features [B, D] and labels [B] i64 on the part's device. Requests what read()
  /// needs.
  virtual Var loss(const Tensor& features, const Tensor& labels, Readback& readback) = 0;
  /// Correct predictions of the batch, once the readback is there. labels [B] i64, on the host.
  virtual Hits read(const Readback& readback, const Tensor& labels) const = 0;
};

struct TrainedPart {
  std::string name;  // of its optimiser in checkpoints: "online", "classifier", "map"
  ParameterArena* arena;
  Optimizer* optimizer;            // null: the weights keep their values
  std::vector<StateTensor> state;  // of model.safetensors
  /// Segments from this one on keep weights, moments and target.
  std::optional<int64_t> frozen_from = std::nullopt;
  /// Null: the part follows the learner's loss, once per step. Otherwise it follows this one, after
  /// every micro-step, at its own rate.
  ProbeLoss* probe = nullptr;
  float probe_lr = 0;
};

}  // namespace rela
