#include "rela/train/setup.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "rela/data/sampler.h"
#include "rela/eval/cosine_search.h"
#include "rela/run/open_device.h"
#include "rela/train/byol.h"
#include "rela/train/supervised.h"
#include "runtime/error.h"
#include "runtime/log.h"

namespace rela {
namespace {

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

std::unique_ptr<BackboneLearner> make_learner(const ExperimentConfig& config, int64_t num_classes,
                                              Device device) {
  const auto seed = static_cast<uint64_t>(config.seed);
  switch (config.method) {
    case ExperimentConfig::Method::kByol:
    case ExperimentConfig::Method::kRelaByol:
      return std::make_unique<Byol>(ByolSpec{.backbone = config.backbone,
                                             .heads = config.byol,
                                             .compute = compute_dtype(config),
                                             .device = device},
                                    seed);
    case ExperimentConfig::Method::kSupervised:
    case ExperimentConfig::Method::kRelaSupervised:
      return std::make_unique<Supervised>(config.backbone, num_classes, compute_dtype(config), seed,
                                          device);
  }
  return nullptr;
}

std::optional<LossScaleConfig> loss_scale(const ExperimentConfig& config) {
  if (compute_dtype(config) != Dtype::kF16) return std::nullopt;
  return config.loss_scale;
}

LoaderOptions loader_options(const ExperimentConfig& config) {
  return {.batch_size = config.batch_size,
          .ratio = config.data.ratio,
          .seed = static_cast<uint64_t>(config.seed),
          .views = {config.view(0), config.view(1)},
          .dtype = compute_dtype(config),
          .workers = static_cast<int>(config.data.workers.value_or(auto_workers()))};
}

ViewSpec rela_view(const ExperimentConfig& config) {
  ViewSpec view = config.rela.view;
  view.crop_size = config.view(0).crop_size;
  return view;
}

EvalOptions eval_options(const ExperimentConfig& config) {
  return {.image_size = config.view(0).crop_size, .dtype = compute_dtype(config)};
}

PriorSpec prior_spec(const ExperimentConfig& config) {
  return {.source = config.rela.prior,
          .student = config.backbone,
          .seed = static_cast<uint64_t>(config.seed),
          .student_image_size = config.view(0).crop_size};
}

ModelInput trained_input(const ExperimentConfig& config) {
  const LoaderOptions loader = loader_options(config);
  return {loader.views[0].crop_size, loader.normalization};
}

namespace {

DatasetSource source_of(const ExperimentConfig& config, Split split) {
  const DataConfig& data = config.data;
  const bool has_val_path = split == Split::kTest && !data.val_path.empty();
  return {.format = data.format,
          .path = has_val_path ? data.val_path : data.train_path,
          .split = split,
          .synthetic_size = split == Split::kTrain ? data.synthetic_images : 0,
          .path_is_split = has_val_path,
          .bad_images = data.bad_images,
          .cache_folder = data.cache_dir.empty() ? default_cache_folder() : data.cache_dir};
}

}  // namespace

std::unique_ptr<ImageDataset> open_split(const ExperimentConfig& config, Split split) {
  return open_dataset(source_of(config, split));
}

bool has_test_split(const ExperimentConfig& config) {
  return has_split(source_of(config, Split::kTest));
}

std::unique_ptr<ImageDataset> open_test_split(const ExperimentConfig& config,
                                              const ImageDataset& train) {
  const DatasetSource source = source_of(config, Split::kTest);
  if (!has_split(source)) return nullptr;
  std::unique_ptr<ImageDataset> test = open_dataset(source);
  warn_if_same(train, *test);
  const bool is_judged = train.has_labels() && config.eval.knn_every_epochs > 0;
  RELA_CHECK(
      !is_judged || test->has_labels(), DataError, source.path,
      ": the test images have no labels (no class folders), and the training images do; name "
      "labelled ones by data.val_path, or set eval.knn_every_epochs=0");
  return test->has_labels() ? match_classes(std::move(test), train) : std::move(test);
}

ExperimentConfig fit_to_data(ExperimentConfig config, const ImageDataset& train) {
  const bool has_knn = config.eval.knn_every_epochs > 0;
  if (train.has_labels()) {
    if (has_knn && !has_test_split(config)) {
      log_warning("no kNN evaluation: ", config.data.train_path,
                  " has no test split; name one by data.val_path");
      config.eval.knn_every_epochs = 0;
    }
    return config;
  }
  using Method = ExperimentConfig::Method;
  const bool is_supervised =
      config.method == Method::kSupervised || config.method == Method::kRelaSupervised;
  RELA_CHECK(!is_supervised, ConfigError, "method: \"", method_name(config.method),
             "\" needs labels, and ", config.data.train_path,
             " has none: no class folders; take \"byol\" or \"rela_byol\"");
  if (has_knn || config.eval.online_linear) {
    log_warning("no kNN evaluation and no online classifier: ", config.data.train_path,
                " has no labels");
  }
  config.eval.knn_every_epochs = 0;
  config.eval.online_linear = false;
  return config;
}

RunData open_run_data(const ExperimentConfig& config) {
  RunData data{.config = config, .train = open_split(config, Split::kTrain), .test = nullptr};
  data.config = fit_to_data(config, *data.train);
  if (data.config.eval.knn_every_epochs > 0) data.test = open_test_split(config, *data.train);
  return data;
}

int photo_workers() { return std::clamp(cpu_threads() - 1, 1, 64); }

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

namespace {

int64_t warmup_steps(const ExperimentConfig& config, const RunLength& length) {
  if (config.scheduler.name != LrSchedule::Shape::kWarmupCosine) return 0;
  return std::llround(config.scheduler.warmup_epochs * length.steps_per_epoch());
}

}  // namespace

std::string unfinished_warmup(const ExperimentConfig& config, const RunLength& length) {
  const int64_t steps = warmup_steps(config, length);
  if (steps <= length.total_steps) return "";
  return cat("scheduler.warmup_epochs ", config.scheduler.warmup_epochs, " is ", steps,
             " steps, and the run has ", length.total_steps, ": the learning rate reaches ",
             rates_at(config, length, length.total_steps - 1).lr, " of ", config.resolved_lr());
}

StepRates rates_at(const ExperimentConfig& config, const RunLength& length, int64_t step) {
  const LrSchedule lr{.shape = config.scheduler.name,
                      .peak = config.resolved_lr(),
                      .min = config.scheduler.min_lr,
                      .warmup_steps = warmup_steps(config, length),
                      .total_steps = length.total_steps};
  const double tau = tau_at(config.momentum, step, length.total_steps);
  return {static_cast<float>(learning_rate_at(lr, step)), static_cast<float>(tau)};
}

Device open_device(const ExperimentConfig& config) {
  const Device device = open_device(
      config.device, {.dtype = compute_dtype(config),
                      .search = config.deterministic ? PlanSearch::kRanked : PlanSearch::kMeasured,
                      .threads = config.threads,
                      .float32_matmul = config.float32_matmul});
  const bool without_tensor_cores = config.precision == ExperimentConfig::Precision::kFp32 &&
                                    config.float32_matmul == F32Math::kExact;
  if (device == Device::kCuda && without_tensor_cores) {
    log_info("device: fp32 is computed without tensor cores; ",
             "\"precision\": \"bf16-mixed\" is many times faster on a GPU, ",
             "\"float32_matmul\": \"tf32\" somewhat less so");
  }
  if (config.eval.knn_every_epochs > 0) check_neighbour_count(config.eval.knn.k, device);
  return device;
}

}  // namespace rela
