#pragma once
// What a phase of a run minimises. Both views of a batch go through the backbone in one pass; batch
// norm keeps them apart (groups = 2).

#include <cstdint>
#include <string>

#include "rela/data/loader.h"
#include "rela/run/events.h"
#include "runtime/io/json.h"
#include "runtime/tape.h"

namespace rela {

inline constexpr int64_t kViews = 2;

class Learner {
 public:
  Learner() = default;
  virtual ~Learner() = default;
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  /// The phase's name in logs and checkpoints: "byol", "supervised", "rela".
  virtual const char* name() const = 0;

  /// Fetches what the loss of a batch needs beside the batch itself. Call before the work on the
  /// batch is launched: work that is replayed does not call loss().
  virtual void prepare(const TwoViewBatch& /*batch*/) {}
  /// Features of a batch in training mode, on the tape.
  /// images [2B, H, W, 3] in the compute dtype: view 1 of all, then view 2 of all -> [2B, D].
  virtual Var encode(const Tensor& images) = 0;
  /// The loss, a scalar f32, from the features of the same batch.
  virtual Var loss(const Var& features, const TwoViewBatch& batch) = 0;

  /// Takes the loss of optimiser step number `step`, from 1. True once the phase is over for good.
  virtual bool finish_step(int64_t /*step*/, double /*loss*/) { return false; }
  /// What to tell when finish_step() has ended the phase.
  virtual std::string farewell() const { return ""; }
  /// What is amiss when the run ends in this phase; empty: nothing.
  virtual std::string complaint_at_end() const { return ""; }

  /// Adds what only this learner knows.
  virtual void describe(RunFacts& /*start*/) const {}
  virtual void describe(TrainEvent& /*event*/) const {}
  virtual void describe(PhaseSwitchEvent& /*event*/) const {}

  /// What a resumed run needs beside the parts' tensors: the member name() of a checkpoint's
  /// state.json. Empty: nothing.
  virtual JsonValue::Object progress() const { return {}; }
  /// `file` is named in errors. Throws WeightsError for progress() of another run.
  virtual void restore(const JsonValue& /*progress*/, const std::string& /*file*/) {}
};

}  // namespace rela
