#include "rela/config/config_sections.h"

#include <utility>

#include "rela/config/normalize_field.h"

namespace rela {
namespace {

std::vector<std::string> prior_models() {
  std::vector<std::string> names{kRandomPrior, kExportedPrior};
  for (const std::string& name : backbone_names()) names.push_back(name);
  return names;
}

}  // namespace

void describe(ConfigTable& table, LossScaleConfig& c) {
  using Mode = LossScaleConfig::Mode;
  table.choice<Mode>("mode", c.mode, {{"dynamic", Mode::kDynamic}, {"static", Mode::kStatic}},
                     "`dynamic`: a step whose gradient is not finite is skipped and halves the "
                     "scale; `static`: it ends the run");
  table.real("value", c.value, Limits::between(1, kMaxLossScale),
             "a power of two is best; of the whole run, or where `dynamic` starts");
  table.integer("growth_interval", c.growth_interval, Limits::at_least(1),
                "`dynamic`: the scale doubles after so many steps in a row with finite gradients");
}

void describe(ConfigTable& table, ByolConfig& c) {
  table.integer("proj_hidden_dim", c.proj_hidden_dim, Unset::kNull, Limits::between(1, 65536),
                "hidden width of the projector; null: twice the feature width");
  table.integer("proj_output_dim", c.proj_output_dim, Limits::between(1, 65536),
                "output width of projector and predictor");
  table.integer("pred_hidden_dim", c.pred_hidden_dim, Unset::kNull, Limits::between(1, 65536),
                "hidden width of the predictor; null: twice the feature width");
  table.choice<LossReduction>("loss_reduction", c.loss_reduction,
                              {{"sum", LossReduction::kSum},
                               {"mean", LossReduction::kMean},
                               {"half_mean", LossReduction::kHalfMean}},
                              "how the losses of the two view orders are joined; `half_mean`, half "
                              "of the mean, is the scale of ReLA's released code");
}

void describe(ConfigTable& table, TauSchedule& c) {
  table.real("base_tau", c.base, Limits::between(0, 1),
             "share of the old target network that an update keeps, at the start");
  table.real("final_tau", c.final, Limits::between(0, 1),
             "the same at the end; in between it follows a cosine");
}

void describe(ConfigTable& table, PriorSource& c) {
  table.name("model", c.model, prior_models(),
             "`random`: the student's own random initial network; `exported`: a finished run's "
             "backbone; or a model whose weights are given");
  table
      .path("weights", c.weights,
            "file or folder of the model's weights, as safetensors, PyTorch or Hugging Face "
            "write them; a finished run's folder for `exported`")
      .is_free_on_resume = true;  // the fingerprint of the targets tells other weights
  table.field("normalize", make_normalize_field(c.normalize),
              "of the prior's images; null: what it was trained with");
  table.integer(
      "image_size", c.image_size, Unset::kNull, Limits::between(1, 4096),
      "side of the prior's images; a vision transformer's position embedding is resampled "
      "for it. null: what it was trained with");
  table.choice<ClipActivation>("activation", c.activation, clip_activations(),
                               "of CLIP's vision transformers, where the name does not say it: "
                               "timm's names without `quickgelu`");
  table.boolean("allow_partial", c.allow_partial,
                "take weights that are incomplete or do not all fit: what is missing stays random, "
                "and is listed");
}

void describe(ConfigTable& table, SwitchConfig& c) {
  using Mode = SwitchConfig::Mode;
  table.choice<Mode>(
      "mode", c.mode,
      {{"adaptive", Mode::kAdaptive}, {"fixed", Mode::kFixed}, {"never", Mode::kNever}},
      "when the ReLA phase ends: as its loss settles, after `fraction`, or with the run");
  table.real("fraction", c.fraction, Limits::between(0, 1),
             "share of the run that the ReLA phase takes; `fixed` only");
}

namespace {

/// The keys that both phases' views have.
void describe_crop_and_colors(ConfigTable& table, ViewSpec& c) {
  table.pair("crop_scale", c.crop_scale.low, c.crop_scale.high, PairOrder::kAscending,
             Limits::above_up_to(0, 1), "range of the crop's share of the image's area");
  table.real("hflip", c.hflip, Limits::between(0, 1), "probability of a horizontal flip");
  table.section("color_jitter", c.color_jitter, "brightness, contrast, saturation and hue");
  table.real("grayscale", c.grayscale, Limits::between(0, 1), "probability of losing all colour");
}

}  // namespace

void describe(ConfigTable& table, RelaConfig& c) {
  table.section("prior", c.prior, "the frozen model that the targets come from");
  table.integer("pca_dim", c.pca_dim, Unset::kNull, Limits::between(1, 65536),
                "width of the targets; null: the smaller one of student's and prior's features");
  table.boolean("train_map", c.train_map,
                "train the map from features to targets; false: it keeps its random weights");
  table.section("switch", c.phase_switch, "the end of the ReLA phase");
  ConfigTable view;
  describe_crop_and_colors(view, c.view);
  table.section("view", std::move(view), "how both views of the ReLA phase are drawn");
  table
      .path("targets_path", c.targets_path,
            "file that keeps the targets, for all runs that share them; null: targets.bin in the "
            "run's folder")
      .is_free_on_resume = true;
}

void describe(ConfigTable& table, DataConfig& c) {
  std::vector<Choice<DataFormat>> formats;
  for (const NamedDataFormat& f : data_formats()) formats.push_back({f.name, f.format});
  table
      .choice<DataFormat>(
          "format", c.format, formats,
          "how the images are stored; `idx`: files in MNIST's format, also gzipped: MNIST, "
          "Fashion-MNIST, KMNIST or EMNIST; `imagefolder`: a folder of pictures for each class, or "
          "one without labels; `tar`: archives of such folders, or WebDataset shards; `packed`: "
          "what `pack` wrote")
      .is_required = true;
  table
      .path("train_path", c.train_path,
            "file or folder of the data; not for `synthetic`. Of several `idx` sets in one folder, "
            "the file of the training images")
      .is_free_on_resume = true;
  table
      .path("val_path", c.val_path,
            "data to evaluate on; null: the test split beside the training images. Photographs' "
            "labels are matched by the classes' names")
      .is_free_on_resume = true;
  table.real("ratio", c.ratio, Limits::above_up_to(0, 1),
             "share of the images that each epoch draws, fresh every epoch");
  table
      .integer("workers", c.workers, Unset::kAuto, Limits::between(0, 1024),
               "threads that load and augment; 0: none beside the training thread")
      .is_free_on_resume = true;
  table.choice<AugmentOn>(
      "augment_on", c.augment_on, {{"device", AugmentOn::kDevice}, {"cpu", AugmentOn::kCpu}},
      "where views are rendered. `device`: on the GPU of a run on cuda, where crops of photographs "
      "are still made by the CPU; `cpu`: by the loading threads, on any device. The same views, up "
      "to rounding");
  table
      .choice<BadImages>("bad_images", c.bad_images.policy,
                         {{"error", BadImages::kError},
                          {"skip", BadImages::kSkip},
                          {"replace", BadImages::kReplace}},
                         "what becomes of photographs that cannot be decoded. `error`: the first "
                         "one ends the run; `skip`: all are decoded once before the run, and bad "
                         "ones left out; `replace`: the next good one takes their place")
      .is_free_on_resume = true;
  table
      .real("max_bad_fraction", c.bad_images.max_fraction, Limits::between(0, 1),
            "share of bad photographs above which `skip` and `replace` end the run after all")
      .is_free_on_resume = true;
  table
      .path("cache_dir", c.cache_dir,
            "folder for lists of photographs, which make the next start quick; null: "
            "RELA_CACHE_DIR or ~/.cache/rela")
      .is_free_on_resume = true;
  table.integer("synthetic_images", c.synthetic_images, Limits::between(1, 1e9),
                "images of a `synthetic` training set");
}

void describe(ConfigTable& table, ColorJitterSpec& c) {
  table.real("prob", c.prob, Limits::between(0, 1), "probability");
  table.real("brightness", c.brightness, Limits::between(0, 1), "factor from 1 - x to 1 + x");
  table.real("contrast", c.contrast, Limits::between(0, 1), "factor from 1 - x to 1 + x");
  table.real("saturation", c.saturation, Limits::between(0, 1), "factor from 1 - x to 1 + x");
  table.real("hue", c.hue, Limits::between(0, 0.5), "shift from -x to x, in turns");
}

void describe(ConfigTable& table, BlurSpec& c) {
  table.real("prob", c.prob, Limits::between(0, 1), "probability");
  table.pair("sigma", c.sigma.low, c.sigma.high, PairOrder::kAscending, Limits::above_up_to(0, 100),
             "range of the Gaussian's deviation, in pixels");
  table.choice<BlurKernel>(
      "kernel", c.kernel, {{"tenth", BlurKernel::kTenth}, {"full", BlurKernel::kFull}},
      "how far the blur reaches. `tenth`: a tenth of the view's side in all, as SimCLR and BYOL "
      "have it for 224 pixels; in small views this cuts the Gaussian off, so that its deviation is "
      "at most 0.82 in those of 20 to 39 pixels, and smaller ones are not blurred. `full`: 4 sigma "
      "to "
      "either side, the deviation is sigma in views of every size");
}

void describe(ConfigTable& table, SolarizeSpec& c) {
  table.real("prob", c.prob, Limits::between(0, 1), "probability");
  table.real("threshold", c.threshold, Limits::between(0, 1),
             "intensity from which a pixel is inverted");
}

void describe(ConfigTable& table, ViewSpec& c) {
  table.integer("crop_size", c.crop_size, Limits::between(1, 4096), "side of the view, in pixels");
  describe_crop_and_colors(table, c);
  table.section("blur", c.blur, "Gaussian blur");
  table.section("solarize", c.solarize, "inversion of bright pixels");
}

void describe(ConfigTable& table, OptimizerConfig& c) {
  using Name = OptimizerConfig::Name;
  using Scaling = OptimizerConfig::LrScaling;
  table.choice<Name>("name", c.name,
                     {{"adamw", Name::kAdamW}, {"lars", Name::kLars}, {"sgd", Name::kSgd}},
                     "update rule");
  table.real("lr", c.lr, Limits::above(0), "peak learning rate, before lr_scaling");
  table.choice<Scaling>("lr_scaling", c.lr_scaling,
                        {{"none", Scaling::kNone}, {"linear", Scaling::kLinear}},
                        "`linear`: lr times batch_size times accum_steps over lr_base_batch");
  table.integer("lr_base_batch", c.lr_base_batch, Limits::at_least(1),
                "batch that lr is meant for; `linear` scaling only");
  table.real("weight_decay", c.weight_decay, Limits::at_least(0), "weight decay");
  table.real("momentum", c.momentum, Limits::from_to_below(0, 1), "`lars` and `sgd` only");
  table.boolean("nesterov", c.nesterov, "Nesterov's momentum; `sgd` only");
  table.pair("betas", c.beta1, c.beta2, PairOrder::kAny, Limits::from_to_below(0, 1),
             "`adamw` only");
  table.real("eps", c.eps, Limits::above(0), "`adamw` only");
  table.real("trust_coefficient", c.trust_coefficient, Limits::above(0), "`lars` only");
  table.boolean("exclude_bias_and_norm", c.exclude_bias_and_norm,
                "leave biases and norm parameters out of weight decay and of LARS's adaptation");
  table.real("layer_decay", c.layer_decay, Limits::above_up_to(0, 1),
             "a vision transformer's learning rate is multiplied by this for each block from the "
             "last one down, and once more for what is below the first");
}

void describe(ConfigTable& table, SchedulerConfig& c) {
  using Shape = LrSchedule::Shape;
  table.choice<Shape>("name", c.name,
                      {{"constant", Shape::kConstant},
                       {"cosine", Shape::kCosine},
                       {"warmup_cosine", Shape::kWarmupCosine}},
                      "course of the learning rate");
  table.real("warmup_epochs", c.warmup_epochs, Limits::at_least(0),
             "length of the linear rise from 0; `warmup_cosine` only");
  table.real("min_lr", c.min_lr, Limits::at_least(0), "where the cosine ends");
}

void describe(ConfigTable& table, EvalConfig& c) {
  table.boolean("online_linear", c.online_linear,
                "train a linear classifier on the detached features alongside");
  table
      .integer("knn_every_epochs", c.knn_every_epochs, Limits::at_least(0),
               "epochs between kNN evaluations; 0: none")
      .is_free_on_resume = true;
  table.integer("knn_k", c.knn.k, Limits::at_least(1), "neighbours that vote; at most 256 on cuda")
      .is_free_on_resume = true;
  table
      .real("knn_temperature", c.knn.temperature, Limits::above(0),
            "a neighbour's vote weighs exp(cosine / temperature)")
      .is_free_on_resume = true;
  table
      .integer(
          "knn_train_images", c.knn_train_images, Unset::kNull, Limits::at_least(1),
          "training images that are searched for neighbours, drawn at random by the seed: fewer is "
          "faster and gives slightly lower accuracy; null: all. The final evaluation uses all")
      .is_free_on_resume = true;
}

void describe(ConfigTable& table, CheckpointConfig& c) {
  table.integer("every_steps", c.every_steps, Limits::at_least(0),
                "optimiser steps between checkpoints; 0: only at the end");
  table.integer("keep_last", c.keep_last, Limits::at_least(1), "checkpoints that are kept");
}

void describe(ConfigTable& table, DistributedConfig& c) {
  table.boolean("sync_batchnorm", c.sync_batchnorm,
                "batch norm's statistics are those of all processes' images together, as if one "
                "process had them; false: each process has its own");
  table.choice<Dtype>("reduce_dtype", c.reduce_dtype,
                      {{"fp32", Dtype::kF32}, {"bf16", Dtype::kBf16}},
                      "what gradients travel as when they are summed over the processes; `bf16` is "
                      "half as much, and rounds them");
  table
      .real("bucket_mb", c.bucket_mb, Limits::between(0.0625, 1024),
            "gradients are summed over the processes in pieces of this many MiB, each as soon as "
            "the backward pass has finished it")
      .is_free_on_resume = true;
  table
      .real("timeout_s", c.timeout_s, Limits::between(1, 86400),
            "seconds until a process that does not answer ends the run (exit code 7)")
      .is_free_on_resume = true;
  table.integer(
      "shards", c.shards, Unset::kNull, Limits::between(1, 1024),
      "a power of two that the processes divide: every batch is cut into so many parts, each is "
      "computed by itself, and sums over the batch are made in one order, so that 1, 2, 4, ... "
      "processes give the same bits. A process computes several parts in as many threads, each "
      "with a model of its own; null: one part per process");
}

}  // namespace rela
