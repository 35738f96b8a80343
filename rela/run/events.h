#pragma once
// The events of a run, one per line of metrics.jsonl: the writer and the reader of those lines both
// follow the lists of fields here.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "rela/run/json_fields.h"

namespace rela {

/// What every line has.
struct EventStamp {
  int64_t step = 0;             // optimiser steps done
  int64_t epoch = 0;            // whole epochs done
  double time = kMissing;       // Unix seconds
  double elapsed_s = kMissing;  // seconds of training, over all parts of a resumed run

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("step", self.step);
    field("epoch", self.epoch);
    field("time", self.time);
    field("elapsed_s", self.elapsed_s);
  }
  bool operator==(const EventStamp&) const = default;
};

/// What a run is about to do.
struct RunFacts {
  std::string phase = {};  // of the next step: "rela", "byol", "supervised"
  int64_t total_steps = 0;
  int64_t batches_per_epoch = 0;
  int64_t effective_batch = 0;
  double resolved_lr = kMissing;
  int64_t feature_dim = 0;                   // D of the backbone
  std::optional<int64_t> target_width = {};  // ReLA phase only, as all below
  std::optional<std::string> targets = {};   // their fingerprint
  std::optional<std::string> map = {};       // "trained", "fixed"

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("phase", self.phase);
    field("total_steps", self.total_steps);
    field("batches_per_epoch", self.batches_per_epoch);
    field("effective_batch", self.effective_batch);
    field("resolved_lr", self.resolved_lr);
    field("feature_dim", self.feature_dim);
    field("target_width", self.target_width);
    field("targets", self.targets);
    field("map", self.map);
  }
  bool operator==(const RunFacts&) const = default;
};

struct StartEvent {
  static constexpr const char* kName = "start";
  RunFacts facts = {};

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    RunFacts::fields(self.facts, field);
  }
  bool operator==(const StartEvent&) const = default;
};

struct ResumeEvent {
  static constexpr const char* kName = "resume";
  RunFacts facts = {};

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    RunFacts::fields(self.facts, field);
  }
  bool operator==(const ResumeEvent&) const = default;
};

/// The last step before the line; speeds are means since the line before it.
struct TrainEvent {
  static constexpr const char* kName = "train";
  std::string phase = {};
  double loss = kMissing;
  double lr = kMissing;
  double tau = kMissing;
  double grad_norm = kMissing;
  double feature_std = kMissing;
  double img_per_s = kMissing;
  double iter_ms = kMissing;
  double data_wait = kMissing;  // share of the time, [0, 1]
  int64_t system_allocations = 0;
  std::optional<double> online_top1 = {};  // on the training images since the line before it
  std::optional<double> loss_scale = {};   // fp16-mixed only, as the next one
  std::optional<int64_t> skipped_steps = {};
  std::optional<int64_t> bad_images = {};  // photographs only: met so far, and left out
  std::optional<double> rho = {};          // ReLA phase only

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("phase", self.phase);
    field("loss", self.loss);
    field("lr", self.lr);
    field("tau", self.tau);
    field("grad_norm", self.grad_norm);
    field("feature_std", self.feature_std);
    field("img_per_s", self.img_per_s);
    field("iter_ms", self.iter_ms);
    field("data_wait", self.data_wait);
    field("system_allocations", self.system_allocations);
    field("online_top1", self.online_top1);
    field("loss_scale", self.loss_scale);
    field("skipped_steps", self.skipped_steps);
    field("bad_images", self.bad_images);
    field("rho", self.rho);
  }
  bool operator==(const TrainEvent&) const = default;
};

/// A phase is over; the means are those that ended it.
struct PhaseSwitchEvent {
  static constexpr const char* kName = "phase_switch";
  std::string phase = {};  // that begins
  double slow = kMissing;
  double fast = kMissing;
  double rho = kMissing;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("phase", self.phase);
    field("slow", self.slow);
    field("fast", self.fast);
    field("rho", self.rho);
  }
  bool operator==(const PhaseSwitchEvent&) const = default;
};

struct EvalEvent {
  static constexpr const char* kName = "eval";
  std::string protocol = {};  // "knn", "online_linear"
  double top1 = kMissing;
  int64_t correct = 0;
  int64_t total = 0;
  std::optional<int64_t> train_size = {};            // knn only
  std::optional<std::string> test_fingerprint = {};  // of the test images

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("protocol", self.protocol);
    field("top1", self.top1);
    field("correct", self.correct);
    field("total", self.total);
    field("train_size", self.train_size);
    field("test_fingerprint", self.test_fingerprint);
  }
  bool operator==(const EvalEvent&) const = default;
};

struct CheckpointEvent {
  static constexpr const char* kName = "checkpoint";
  double seconds = kMissing;  // that writing it took

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("seconds", self.seconds);
  }
  bool operator==(const CheckpointEvent&) const = default;
};

struct WarningEvent {
  static constexpr const char* kName = "warning";
  std::string message = {};

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("message", self.message);
  }
  bool operator==(const WarningEvent&) const = default;
};

struct StopEvent {
  static constexpr const char* kName = "stop";
  std::string reason = {};                        // "finished", or a signal's name
  std::optional<std::string> phase = {};          // of a finished run, as the next one
  std::optional<int64_t> peak_tensor_bytes = {};  // on the run's device

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("reason", self.reason);
    field("phase", self.phase);
    field("peak_tensor_bytes", self.peak_tensor_bytes);
  }
  bool operator==(const StopEvent&) const = default;
};

using RunEvent = std::variant<StartEvent, ResumeEvent, TrainEvent, PhaseSwitchEvent, EvalEvent,
                              CheckpointEvent, WarningEvent, StopEvent>;

/// "start", "train", ...
const char* name_of(const RunEvent& event);
/// What a person is told of it in a word or a sentence: a warning's message, the reason of a stop,
/// the phase that begins. "" for other events.
std::string headline(const RunEvent& event);

/// An event of metrics.jsonl; RunEvent: any of them.
template <class Event>
struct Logged {
  EventStamp at;
  Event event;
  bool operator==(const Logged&) const = default;
};

/// The line of an event: "event", the stamp, then the event's own fields.
JsonValue::Object to_json(const Logged<RunEvent>& logged);
/// Never throws. Empty for what is no event of a run: an "event" that names one and an integral
/// "step" are required.
std::optional<Logged<RunEvent>> event_of(const JsonValue& line);

}  // namespace rela
