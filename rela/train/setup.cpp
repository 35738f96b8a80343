#include "rela/train/setup.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/features.h"
#include "kernels/cpu/parallel.h"
#include "kernels/libraries/tuning/tuning.h"
#include "rela/data/sampler.h"
#include "rela/train/byol.h"
#include "rela/train/supervised.h"
#include "runtime/cuda.h"
#include "runtime/error.h"
#include "runtime/gpu_facts.h"
#include "runtime/log.h"

namespace rela {
namespace {

const char* format_name(DataConfig::Format format) {
  switch (format) {
    case DataConfig::Format::kCifar10:
      return "cifar10";
    case DataConfig::Format::kCifar100:
      return "cifar100";
    case DataConfig::Format::kIdx:
      return "idx";
    case DataConfig::Format::kSynthetic:
      return "synthetic";
  }
  return "?";
}

Interval interval(const std::array<double, 2>& range) {
  return {static_cast<float>(range[0]), static_cast<float>(range[1])};
}

ViewSpec view_spec(const AugmentationConfig& a) {
  return {.crop_size = a.crop_size,
          .crop_scale = interval(a.crop_scale),
          .hflip = static_cast<float>(a.hflip),
          .color_jitter = {.prob = static_cast<float>(a.color_jitter.prob),
                           .brightness = static_cast<float>(a.color_jitter.brightness),
                           .contrast = static_cast<float>(a.color_jitter.contrast),
                           .saturation = static_cast<float>(a.color_jitter.saturation),
                           .hue = static_cast<float>(a.color_jitter.hue)},
          .grayscale = static_cast<float>(a.grayscale),
          .blur = {.prob = static_cast<float>(a.blur.prob), .sigma = interval(a.blur.sigma)},
          .solarize = {.prob = static_cast<float>(a.solarize.prob),
                       .threshold = static_cast<float>(a.solarize.threshold)}};
}

/// The step itself uses every core; on few cores, one background thread keeps up with it.
int auto_workers() { return std::clamp(cpu_threads() / 4, 1, 8); }

}  // namespace

Dtype compute_dtype(const ExperimentConfig& config) {
  switch (config.precision) {
    case ExperimentConfig::Precision::kBf16Mixed:
      return Dtype::kBf16;
    case ExperimentConfig::Precision::kFp16Mixed:
      return Dtype::kF16;
    case ExperimentConfig::Precision::kFp32:
      break;
  }
  return Dtype::kF32;
}

BackboneSpec backbone_spec(const ExperimentConfig& config) {
  return {config.backbone.name, config.backbone.cifar_stem, config.backbone.width,
          config.backbone.init};
}

namespace {

ByolSpec byol_spec(const ExperimentConfig& config, Device device) {
  return {.backbone = backbone_spec(config),
          .proj_hidden_dim = config.byol.proj_hidden_dim.value_or(0),
          .proj_output_dim = config.byol.proj_output_dim,
          .pred_hidden_dim = config.byol.pred_hidden_dim.value_or(0),
          .loss_reduction = config.byol.loss_reduction,
          .compute = compute_dtype(config),
          .device = device};
}

}  // namespace

std::unique_ptr<BackboneLearner> make_learner(const ExperimentConfig& config, int64_t num_classes,
                                              Device device) {
  const auto seed = static_cast<uint64_t>(config.seed);
  switch (config.method) {
    case ExperimentConfig::Method::kByol:
    case ExperimentConfig::Method::kRelaByol:
      return std::make_unique<Byol>(byol_spec(config, device), seed);
    case ExperimentConfig::Method::kSupervised:
    case ExperimentConfig::Method::kRelaSupervised:
      return std::make_unique<Supervised>(backbone_spec(config), num_classes, compute_dtype(config),
                                          seed, device);
  }
  return nullptr;
}

std::optional<LossScaleConfig> loss_scale(const ExperimentConfig& config) {
  if (compute_dtype(config) != Dtype::kF16) return std::nullopt;
  return config.loss_scale;
}

OptimizerSpec optimizer_spec(const ExperimentConfig& config) {
  const OptimizerConfig& o = config.optimizer;
  OptimizerSpec spec{.momentum = static_cast<float>(o.momentum),
                     .nesterov = o.nesterov,
                     .beta1 = static_cast<float>(o.betas[0]),
                     .beta2 = static_cast<float>(o.betas[1]),
                     .eps = static_cast<float>(o.eps),
                     .weight_decay = static_cast<float>(o.weight_decay),
                     .trust_coefficient = static_cast<float>(o.trust_coefficient),
                     .exclude_bias_and_norm = o.exclude_bias_and_norm};
  switch (o.name) {
    case OptimizerConfig::Name::kAdamW:
      spec.name = OptimizerSpec::Name::kAdamW;
      break;
    case OptimizerConfig::Name::kLars:
      spec.name = OptimizerSpec::Name::kLars;
      break;
    case OptimizerConfig::Name::kSgd:
      spec.name = OptimizerSpec::Name::kSgd;
      break;
  }
  return spec;
}

LoaderOptions loader_options(const ExperimentConfig& config) {
  return {.batch_size = config.batch_size,
          .ratio = config.data.ratio,
          .seed = static_cast<uint64_t>(config.seed),
          .views = {view_spec(config.view(0)), view_spec(config.view(1))},
          .dtype = compute_dtype(config),
          .workers = static_cast<int>(config.data.workers.value_or(auto_workers()))};
}

ViewSpec rela_view(const ExperimentConfig& config) {
  const RelaViewConfig& view = config.rela.view;
  return view_spec({.crop_size = config.view(0).crop_size,
                    .crop_scale = view.crop_scale,
                    .hflip = view.hflip,
                    .color_jitter = view.color_jitter,
                    .grayscale = view.grayscale,
                    .blur = {.prob = 0},
                    .solarize = {.prob = 0}});
}

EvalOptions eval_options(const ExperimentConfig& config) {
  return {.image_size = config.view(0).crop_size, .dtype = compute_dtype(config)};
}

PriorSpec prior_spec(const ExperimentConfig& config) {
  const PriorConfig& prior = config.rela.prior;
  return {.model = prior.model,
          .weights = prior.weights,
          .normalize = prior.normalize,
          .student = backbone_spec(config),
          .seed = static_cast<uint64_t>(config.seed),
          .student_image_size = config.view(0).crop_size};
}

ModelInput trained_input(const ExperimentConfig& config) {
  const LoaderOptions loader = loader_options(config);
  return {loader.views[0].crop_size, loader.normalization};
}

std::unique_ptr<ImageDataset> open_split(const ExperimentConfig& config, Split split) {
  const DataConfig& data = config.data;
  const bool has_val_path = split == Split::kTest && !data.val_path.empty();
  return open_dataset({.format = format_name(data.format),
                       .path = has_val_path ? data.val_path : data.train_path,
                       .split = split,
                       .synthetic_size = split == Split::kTrain ? data.synthetic_images : 0});
}

RunLength run_length(const ExperimentConfig& config, int64_t dataset_size) {
  RunLength length{
      .batches_per_epoch = epoch_batches(dataset_size, config.data.ratio, config.batch_size),
      .accum_steps = config.accum_steps};
  length.total_steps = config.max_steps
                           ? *config.max_steps
                           : *config.epochs * length.batches_per_epoch / config.accum_steps;
  RELA_CHECK(length.total_steps >= 1, ConfigError, "epochs: ", config.epochs.value_or(0),
             " epochs of ", length.batches_per_epoch, " batches hold no step of accum_steps ",
             config.accum_steps, "; lower accum_steps");
  return length;
}

int64_t fixed_switch_step(const ExperimentConfig& config, const RunLength& length) {
  const double fraction = *config.rela.phase_switch.fraction;
  if (!config.epochs)
    return static_cast<int64_t>(fraction * static_cast<double>(length.total_steps));
  const auto epochs = static_cast<int64_t>(fraction * static_cast<double>(*config.epochs));
  return epochs * length.batches_per_epoch / length.accum_steps;
}

StepRates rates_at(const ExperimentConfig& config, const RunLength& length, int64_t step) {
  LrSchedule lr{.peak = config.resolved_lr(),
                .min = config.scheduler.min_lr,
                .total_steps = length.total_steps};
  if (config.scheduler.name == SchedulerConfig::Name::kCosine)
    lr.shape = LrSchedule::Shape::kCosine;
  if (config.scheduler.name == SchedulerConfig::Name::kWarmupCosine) {
    lr.shape = LrSchedule::Shape::kWarmupCosine;
    lr.warmup_steps = std::llround(config.scheduler.warmup_epochs * length.steps_per_epoch());
  }
  const TauSchedule tau{config.momentum.base_tau, config.momentum.final_tau, length.total_steps};
  return {static_cast<float>(learning_rate_at(lr, step)), static_cast<float>(tau_at(tau, step))};
}

namespace {

/// The device, and what to log about the choice.
struct DeviceChoice {
  Device device = Device::kCpu;
  std::string remark;
};

DeviceChoice choose_device(ExperimentConfig::Device wanted, const GpuFacts& facts) {
  if (wanted == ExperimentConfig::Device::kCpu) return {};
  if (wanted == ExperimentConfig::Device::kCuda) {
    open_cuda();
    return {Device::kCuda, ", " + describe_gpu(facts.gpus.front())};
  }
  if (facts.build == CudaBuild::kNone) return {Device::kCpu, " (auto: this build has no cuda)"};
  if (facts.build == CudaBuild::kEmulated)
    return {Device::kCpu, " (auto: an emulated GPU is taken only when asked for)"};
  const std::string complaint = gpu_complaint(facts);
  if (!complaint.empty()) return {Device::kCpu, cat(" (auto: ", complaint, ")")};
  open_cuda();
  return {Device::kCuda, " (auto), " + describe_gpu(facts.gpus.front())};
}

}  // namespace

Device open_device(const ExperimentConfig& config) {
  const GpuFacts facts = gpu_facts();
  const DeviceChoice choice = choose_device(config.device, facts);
  const bool on_gpu = choice.device == Device::kCuda && facts.build == CudaBuild::kGpu;
  const Dtype compute = compute_dtype(config);
  RELA_CHECK(compute != Dtype::kF16 || choice.device == Device::kCuda, UnsupportedError,
             "precision: fp16-mixed needs device cuda, and this run is on the CPU; choose "
             "\"bf16-mixed\" or \"fp32\"");
  RELA_CHECK(compute != Dtype::kBf16 || on_gpu || cpu_has_bf16(), UnsupportedError,
             "precision: bf16-mixed needs a processor with AVX-512 BF16, and this one has none; "
             "choose \"fp32\"");
  tuning().search = config.deterministic ? PlanSearch::kRanked : PlanSearch::kMeasured;
  tuning().warn = [](const std::string& text) { log_warning(text); };
  if (config.threads) set_cpu_threads(static_cast<int>(*config.threads));
  log_info("device: ", device_name(choice.device), choice.remark, ", ", cpu_threads(), " threads, ",
           compute == Dtype::kF32 ? "fp32" : cat(dtype_name(compute), " and f32 mixed"));
  if (choice.device == Device::kCuda && !on_gpu) {
    log_warning(
        "device: cuda is emulated on the CPU in this build, for tests; training there is "
        "thousands of times slower than on a GPU");
  }
  return choice.device;
}

}  // namespace rela
