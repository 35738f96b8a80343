#include "rela/config/experiment_config.h"

#include <bit>
#include <filesystem>

#include "nn/backbone_json.h"
#include "rela/config/config_sections.h"
#include "runtime/error.h"
#include "runtime/io/file.h"

namespace rela {
namespace {

constexpr double kMaxEpochs = 1e6;

void describe_run(ConfigTable& table, ExperimentConfig& c) {
  using Device = ExperimentConfig::Device;
  using Precision = ExperimentConfig::Precision;
  using Method = ExperimentConfig::Method;
  table
      .integer("schema_version", c.schema_version, Limits::between(1, 1),
               "version of this file's keys")
      .is_free_on_resume = true;
  table.integer("seed", c.seed, Limits::at_least(0), "all randomness follows from it");
  table
      .choice<Device>("device", c.device, {kDeviceRequests.begin(), kDeviceRequests.end()},
                      "`auto`: a usable GPU, else the CPU")
      .is_free_on_resume = true;
  table.choice<Precision>("precision", c.precision,
                          {{"fp32", Precision::kFp32},
                           {"bf16-mixed", Precision::kBf16Mixed},
                           {"fp16-mixed", Precision::kFp16Mixed},
                           {"32-true", Precision::kFp32},
                           {"16-mixed", Precision::kFp16Mixed}},
                          "storage of activations; `fp16-mixed` on cuda only; `32-true` and "
                          "`16-mixed` are other names of `fp32` and `fp16-mixed`");
  table.choice<F32Math>(
      "float32_matmul", c.float32_matmul, {{"ieee", F32Math::kExact}, {"tf32", F32Math::kTf32}},
      "with `fp32` on a GPU: `tf32` lets tensor cores multiply, which round factors to 10 bits of "
      "mantissa and are many times faster; the CPU always multiplies as `ieee` says");
  table.section("loss_scale", c.loss_scale, "what the loss is multiplied by with `fp16-mixed`");
  table.boolean(
      "deterministic", c.deterministic,
      "the same bits from every run, also from a first one: on a GPU, cuDNN's plans are then the "
      "first of its ranking, not the fastest as measured; otherwise the measured choice is kept in "
      "RELA_CACHE_DIR or ~/.cache/rela. Plans and kernels sum in a fixed order either way");
  using CudaGraph = ExperimentConfig::CudaGraph;
  table
      .choice<CudaGraph>(
          "cuda_graph", c.cuda_graph,
          {{"auto", CudaGraph::kAuto}, {"on", CudaGraph::kOn}, {"off", CudaGraph::kOff}},
          "on a GPU, a training step is recorded after the first few and then launched as one; the "
          "numbers are the same to the bit. `auto`: where it can be; `on`: or the run fails. With "
          "accum_steps above 1 steps are not recorded")
      .is_free_on_resume = true;
  table
      .integer("threads", c.threads, Unset::kAuto, Limits::between(1, 4096),
               "CPU threads of the arithmetic, the last bits depend on it; auto: every core this "
               "process may use")
      .is_free_on_resume = true;
  std::vector<Choice<Method>> methods;
  for (const Method m :
       {Method::kByol, Method::kRelaByol, Method::kSupervised, Method::kRelaSupervised}) {
    methods.push_back({method_name(m), m});
  }
  table.choice<Method>("method", c.method, methods, "training method").is_required = true;
  table.path("out", c.out, "folder of the run; null: runs/ and the name of the config file")
      .is_free_on_resume = true;
}

}  // namespace

void describe(ConfigTable& table, ExperimentConfig& c) {
  describe_run(table, c);
  table
      .integer("epochs", c.epochs, Unset::kNull, Limits::between(1, kMaxEpochs),
               "passes over the drawn images; or give max_steps")
      .is_free_on_resume = true;
  table
      .integer("max_steps", c.max_steps, Unset::kNull, Limits::between(1, kMaxSteps),
               "optimiser steps; or give epochs")
      .is_free_on_resume = true;
  table.exactly_one_of({"epochs", "max_steps"});
  table.integer("batch_size", c.batch_size, Limits::between(2, 1 << 20),
                "images of one micro-step, over all ranks");
  table.integer("accum_steps", c.accum_steps, Limits::between(1, 1 << 20),
                "micro-steps per optimiser step");
  table.variant("backbone", make_backbone_keys(c.backbone), "the network that is kept");
  table.section("byol", c.byol, "heads and loss");
  table.section("momentum", c.momentum, "the target network's moving average");
  table.section("rela", c.rela, "targets and first phase of `rela_byol` and `rela_supervised`");
  table.section("data", c.data, "images").is_required = true;
  table.list("augmentations", c.augmentations, {1, 2},
             "how each of the two views is drawn; one entry serves both");
  table.section("optimizer", c.optimizer, "optimiser");
  table.section("scheduler", c.scheduler, "learning rate over time");
  table.section("eval", c.eval, "evaluation during training");
  table.section("checkpoint", c.checkpoint, "checkpoints").is_free_on_resume = true;
  table.section("distributed", c.distributed, "runs of several processes");
  table
      .integer("log_every_steps", c.log_every_steps, Limits::at_least(1),
               "optimiser steps between log lines")
      .is_free_on_resume = true;
}

namespace {

/// Mistakes of the `rela` section that show only when several keys are looked at together.
void check_rela(const RelaConfig& rela, const JsonValue& document, ConfigIssues& issues) {
  const auto complain = [&](const char* path, const std::string& message) {
    issues.add(path, {message}, value_at(document, path));
  };
  const std::string& model = rela.prior.model;
  const bool has_weights = !rela.prior.weights.empty();
  if (model == kRandomPrior && has_weights) {
    complain("rela.prior.weights",
             "must be null for the model \"random\"; name the model that the weights are of, or "
             "\"exported\" for a finished run's folder");
  } else if (model == kExportedPrior && !has_weights) {
    complain("rela.prior.weights", "missing; the model \"exported\" needs a finished run's folder");
  } else if (model != kRandomPrior && !has_weights) {
    complain("rela.prior.weights", cat("missing; the model \"", model, "\" needs its weights"));
  }
  if (model == kRandomPrior && rela.prior.image_size) {
    complain("rela.prior.image_size",
             "must be null for the model \"random\", which sees what the student does");
  }
  const bool is_fixed = rela.phase_switch.mode == SwitchConfig::Mode::kFixed;
  if (is_fixed && !rela.phase_switch.fraction) {
    complain("rela.switch.fraction", "missing; the mode \"fixed\" needs it, a number in [0, 1]");
  } else if (!is_fixed && rela.phase_switch.fraction) {
    complain("rela.switch.fraction", "must be null unless rela.switch.mode is \"fixed\"");
  }
}

/// The network is made for the views that it is trained on.
void fit_backbone(ExperimentConfig& c, const JsonValue& document, ConfigIssues& issues) {
  if (c.augmentations.empty()) return;  // a mistake that is reported already
  if (const std::string mistake = mistake_of(c.backbone); !mistake.empty()) {
    issues.add("backbone.activation", {mistake}, value_at(document, "backbone.activation"));
  }
  if (auto* vit = std::get_if<VitSpec>(&c.backbone); vit != nullptr && !vit->frozen_patch_embedding)
    vit->frozen_patch_embedding = c.has_byol_phase();
  const std::string complaint = fit_images(c.backbone, c.view(0).crop_size);
  if (complaint.empty()) return;
  const bool by_key = value_at(document, "backbone.image_size") != nullptr;
  const char* path = by_key ? "backbone.image_size" : "augmentations.0.crop_size";
  issues.add(path, {complaint}, value_at(document, path));
}

/// Mistakes that show only when several keys are looked at together.
void check_together(const ExperimentConfig& c, const JsonValue& document, ConfigIssues& issues) {
  const auto complain = [&](const char* path, const std::string& message) {
    issues.add(path, {message}, value_at(document, path));
  };
  const bool needs_path = c.data.format != DataFormat::kSynthetic;
  const JsonValue* train_path = value_at(document, "data.train_path");
  const bool has_path = train_path != nullptr && !train_path->is_null();
  if (needs_path && !has_path && value_at(document, "data") != nullptr) {
    complain("data.train_path", "missing; every format but \"synthetic\" needs it");
  }
  if (c.augmentations.size() == 2 && c.augmentations[0].crop_size != c.augmentations[1].crop_size) {
    complain("augmentations.1.crop_size",
             cat("must be that of augmentations.0, ", c.augmentations[0].crop_size));
  }
  if (c.optimizer.layer_decay != 1 && !is_transformer(c.backbone)) {
    complain("optimizer.layer_decay",
             cat("must be 1 or left out for ", name_of(c.backbone), ", which has no blocks"));
  }
  if (c.cuda_graph == ExperimentConfig::CudaGraph::kOn && c.accum_steps > 1) {
    complain("cuda_graph",
             cat("must be \"auto\" or \"off\" with accum_steps above 1, which is ", c.accum_steps));
  }
  const int64_t shards = c.distributed.shards.value_or(1);
  if (!std::has_single_bit(static_cast<uint64_t>(shards))) {
    complain("distributed.shards", "must be a power of two: 1, 2, 4, ...");
  } else if (c.batch_size % shards != 0) {
    complain("batch_size", cat("must be a multiple of distributed.shards, which is ", shards));
  }
  if (c.distributed.shards && c.cuda_graph == ExperimentConfig::CudaGraph::kOn) {
    complain("cuda_graph", "must be \"auto\" or \"off\" with distributed.shards");
  }
  const bool warms_up = c.scheduler.name == LrSchedule::Shape::kWarmupCosine;
  if (warms_up && c.epochs && c.scheduler.warmup_epochs > static_cast<double>(*c.epochs)) {
    complain("scheduler.warmup_epochs", cat("must be at most epochs, which is ", *c.epochs));
  }
  if (c.scheduler.min_lr > c.resolved_lr()) {
    complain("scheduler.min_lr", cat("must be at most the learning rate, which is ",
                                     c.resolved_lr(), " after lr_scaling"));
  }
}

JsonValue parse_config(const std::string& path) {
  try {
    return parse_json(read_text_file(path));
  } catch (const JsonError& error) {
    throw ConfigError(cat(path, ": not JSON: ", error.what()));
  }
}

}  // namespace

const char* method_name(ExperimentConfig::Method method) {
  switch (method) {
    case ExperimentConfig::Method::kByol:
      return "byol";
    case ExperimentConfig::Method::kRelaByol:
      return "rela_byol";
    case ExperimentConfig::Method::kSupervised:
      return "supervised";
    case ExperimentConfig::Method::kRelaSupervised:
      return "rela_supervised";
  }
  return "?";
}

double ExperimentConfig::resolved_lr() const {
  if (optimizer.lr_scaling == OptimizerConfig::LrScaling::kNone) return optimizer.lr;
  return optimizer.lr * static_cast<double>(effective_batch()) /
         static_cast<double>(optimizer.lr_base_batch);
}

ExperimentConfig read_experiment_config(const JsonValue& document, const std::string& folder,
                                        ConfigIssues& issues) {
  ExperimentConfig config;
  ConfigTable table;
  describe(table, config);
  read_config(table, document, folder, issues);
  fit_backbone(config, document, issues);
  check_together(config, document, issues);
  check_rela(config.rela, document, issues);
  return config;
}

ExperimentConfig load_config(const std::string& path, const std::vector<std::string>& overrides) {
  JsonValue document = parse_config(path);
  ExperimentConfig defaults;
  ConfigTable table;
  describe(table, defaults);
  ConfigIssues issues;
  for (const std::string& assignment : overrides) {
    apply_override(document, table, assignment, issues);
  }
  const std::filesystem::path file(path);
  ExperimentConfig config = read_experiment_config(document, file.parent_path().string(), issues);
  if (!issues.empty()) throw ConfigError(issues.text());
  if (config.out.empty()) {
    config.out = std::filesystem::absolute(file.parent_path() / "runs" / file.stem())
                     .lexically_normal()
                     .string();
  }
  return config;
}

std::string to_resolved_json(const ExperimentConfig& config) {
  ExperimentConfig copy = config;  // a table refers to what it may change
  ConfigTable table;
  describe(table, copy);
  return to_json_text(write_config(table), JsonLayout::kIndented) + "\n";
}

std::string config_differences(const JsonValue& before, const JsonValue& now) {
  ExperimentConfig defaults;
  ConfigTable table;
  describe(table, defaults);
  std::string text;
  for (const ConfigDifference& d : resume_differences(table, before, now)) {
    text += cat("\n  ", d.key, ": ", d.before, " in the checkpoint, ", d.now, " now");
  }
  return text;
}

std::string free_config_changes(const JsonValue& before, const JsonValue& now) {
  ExperimentConfig defaults;
  ConfigTable table;
  describe(table, defaults);
  std::string text;
  for (const ConfigDifference& d : resume_differences(table, before, now, ResumeKeys::kFree)) {
    text += cat(text.empty() ? "" : ", ", d.key, " ", d.before, " -> ", d.now);
  }
  return text;
}

std::string config_schema() {
  ExperimentConfig defaults;
  ConfigTable table;
  describe(table, defaults);
  return to_json_text(config_schema_of(table, "rela training run"), JsonLayout::kIndented) + "\n";
}

std::string config_markdown() {
  ExperimentConfig defaults;
  ConfigTable table;
  describe(table, defaults);
  return config_markdown_of(table);
}

}  // namespace rela
