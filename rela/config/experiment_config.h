#pragma once
// Everything a training run can be told, as plain structs with the names of the JSON form; what a
// lower room needs is the struct of that room. The defaults are the ReLA recipe (AdamW 1e-3, decay
// .01, constant rate, EMA .99 constant, batch 128, heads twice the feature width), except that
// decay leaves out biases and norm parameters.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/augment/view_spec.h"
#include "nn/backbone.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"
#include "rela/data/dataset.h"
#include "rela/data/loader.h"
#include "rela/eval/knn.h"
#include "rela/prior/prior_source.h"
#include "runtime/device_choice.h"
#include "runtime/io/json.h"
#include "runtime/ops/ops.h"

namespace rela {

/// BYOL's heads: projector d -> proj_hidden_dim -> proj_output_dim, predictor the same from
/// proj_output_dim.
struct ByolConfig {
  std::optional<int64_t> proj_hidden_dim;  // none: twice the feature width
  int64_t proj_output_dim = 256;
  std::optional<int64_t> pred_hidden_dim;              // none: twice the feature width
  LossReduction loss_reduction = LossReduction::kSum;  // of the two symmetric terms
};

/// When the ReLA phase ends for good.
struct SwitchConfig {
  enum class Mode : uint8_t { kAdaptive, kFixed, kNever };

  Mode mode = Mode::kAdaptive;     // kAdaptive: when the loss stops falling
  std::optional<double> fraction;  // of the epochs, [0, 1]; set for kFixed and for nothing else
};

/// Targets and phase 1 of rela_byol and rela_supervised; the other methods leave it alone.
struct RelaConfig {
  PriorSource prior;               // its weights: absolute after loading
  std::optional<int64_t> pca_dim;  // none: the student's or the prior's width, the smaller one
  bool train_map = false;          // false: the map to the targets keeps its random weights
  SwitchConfig phase_switch;       // `switch` in the file
  /// How both views of the ReLA phase are drawn, crop_size aside: the released code's mild crops
  /// and strong colours. Neither blur nor solarisation.
  ViewSpec view{.crop_scale = {0.5, 1.0},
                .color_jitter = {.brightness = 0.8, .contrast = 0.8, .saturation = 0.8, .hue = 0.2},
                .blur = {.prob = 0},
                .solarize = {.prob = 0}};
  /// File that keeps the targets, shared by the runs that name it; absolute after loading.
  /// Empty: targets.bin in the run's folder.
  std::string targets_path;
};

struct DataConfig {
  DataFormat format = DataFormat::kCifar10;
  std::string train_path;  // absolute after loading; empty only for kSynthetic
  std::string val_path;    // empty: train_path also serves where the format has a test split
  double ratio = 1.0;      // share of the images that each epoch draws, (0, 1]
  std::optional<int64_t> workers;             // loader threads; none: chosen from the cores at hand
  BadImageRule bad_images;                    // of photographs
  std::string cache_dir;                      // for lists of photographs; empty: the user's cache
  AugmentOn augment_on = AugmentOn::kDevice;  // a GPU, if the run has one
  int64_t synthetic_images = 2048;
};

struct OptimizerConfig : OptimizerSpec {
  enum class LrScaling : uint8_t { kNone, kLinear };

  double lr = 0.001;
  LrScaling lr_scaling = LrScaling::kNone;  // kLinear: lr * effective batch / lr_base_batch
  int64_t lr_base_batch = 256;
};

struct SchedulerConfig {
  LrSchedule::Shape name = LrSchedule::Shape::kConstant;
  double warmup_epochs = 10.0;  // kWarmupCosine only
  double min_lr = 0.0;          // where the cosine ends
};

struct EvalConfig {
  bool online_linear = true;     // a linear classifier on detached features, during training
  int64_t knn_every_epochs = 5;  // 0: never
  KnnOptions knn;                // `knn_k` and `knn_temperature` in the file
  std::optional<int64_t> knn_train_images;  // none: all; the last step's evaluation takes all
};

struct CheckpointConfig {
  int64_t every_steps = 1000;  // 0: only at the end
  int64_t keep_last = 2;
};

/// Runs of several processes.
struct DistributedConfig {
  bool sync_batchnorm = true;        // batch statistics of all ranks' batches together
  Dtype reduce_dtype = Dtype::kF32;  // of gradients while they are summed
  double bucket_mb = 8;              // gradients that are summed at once
  double timeout_s = 600;            // of a rank that does not answer
  std::optional<int64_t> shards;     // parts of a batch over all ranks; none: one per rank
};

inline constexpr double kMaxLossScale = 0x1p24;  // a gradient of .004 overflows f16 there
/// With precision fp16-mixed: what the loss is multiplied by so that small gradients survive.
struct LossScaleConfig {
  enum class Mode : uint8_t { kDynamic, kStatic };
  Mode mode = Mode::kDynamic;
  double value = 65536;            // of the whole run, or at its start
  int64_t growth_interval = 2000;  // dynamic: finite steps after which it doubles
};

/// Limit of max_steps: times any batch it still fits int64_t.
inline constexpr double kMaxSteps = 1e12;

struct ExperimentConfig {
  using Device = DeviceRequest;
  enum class Precision : uint8_t { kFp32, kBf16Mixed, kFp16Mixed };
  enum class CudaGraph : uint8_t { kAuto, kOn, kOff };
  enum class Method : uint8_t { kByol, kRelaByol, kSupervised, kRelaSupervised };

  int64_t schema_version = 1;
  int64_t seed = 1;
  Device device = Device::kAuto;
  Precision precision = Precision::kFp32;
  F32Math float32_matmul = F32Math::kExact;  // on cuda with kFp32
  LossScaleConfig loss_scale;
  bool deterministic = false;
  CudaGraph cuda_graph = CudaGraph::kAuto;  // whether steps on cuda are recorded and replayed
  std::optional<int64_t> threads;  // CPU threads of kernels; none: every core this process may use
  Method method = Method::kByol;
  std::string out;                   // folder of the run; absolute after loading
  std::optional<int64_t> epochs;     // exactly one of epochs and max_steps is set
  std::optional<int64_t> max_steps;  // optimiser steps
  int64_t batch_size = 128;          // images of one micro-step, over all ranks
  int64_t accum_steps = 1;           // micro-steps per optimiser step
  BackboneSpec backbone;
  ByolConfig byol;
  TauSchedule momentum;
  RelaConfig rela;
  DataConfig data;
  std::vector<ViewSpec> augmentations{ViewSpec{}};  // 1 (serves both views) or 2
  OptimizerConfig optimizer;
  SchedulerConfig scheduler;
  EvalConfig eval;
  CheckpointConfig checkpoint;
  DistributedConfig distributed;
  int64_t log_every_steps = 10;

  /// Images per optimiser step.
  int64_t effective_batch() const { return batch_size * accum_steps; }
  /// The peak learning rate after optimizer.lr_scaling.
  double resolved_lr() const;
  /// Whether the run begins with the ReLA phase.
  bool has_rela_phase() const {
    return method == Method::kRelaByol || method == Method::kRelaSupervised;
  }
  /// Whether it ends with BYOL.
  bool has_byol_phase() const { return method == Method::kByol || method == Method::kRelaByol; }
  /// The augmentation of view 0 or 1.
  const ViewSpec& view(int index) const {
    return augmentations.size() == 1 ? augmentations.front()
                                     : augmentations.at(static_cast<size_t>(index));
  }
};

/// Reads and checks a config file. Each override is "key.path=value", e.g. "optimizer.lr=0.3" or
/// "augmentations.0.hflip=0"; the last one wins. Relative paths are relative to the config file,
/// those in overrides to the current folder. Without `out` the run goes to runs/<name of the config
/// file>. Throws ConfigError with one line per mistake, all mistakes at once; IoError for an
/// unreadable file.
ExperimentConfig load_config(const std::string& path,
                             const std::vector<std::string>& overrides = {});

/// "byol", "rela_byol", "supervised", "rela_supervised".
const char* method_name(ExperimentConfig::Method method);

/// The complete config as JSON text, every key written out. Loading it gives the same config.
std::string to_resolved_json(const ExperimentConfig& config);

/// The differences between two resolved configs in keys that a resumed run may not change, one line
/// each: "\n  optimizer.lr: 0.001 in the checkpoint, 0.002 now". Empty: a run may continue from one
/// to the other.
std::string config_differences(const JsonValue& before, const JsonValue& now);

/// What a resumed run has changed of the keys that it may change: "epochs 10 -> 20, threads 1 ->
/// 2".
std::string free_config_changes(const JsonValue& before, const JsonValue& now);

/// JSON Schema (draft 2020-12) of the config file, as JSON text.
std::string config_schema();

/// Markdown table of every key: type and limits, default, meaning.
std::string config_markdown();

}  // namespace rela
