#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "rela/config/experiment_config.h"
#include "runtime/io/json.h"
#include "tests/rela/config/config_support.h"

namespace rela {
namespace {

using test::load_text;
using test::mistakes_of;
using test::small_config;
using test::TempDir;

TEST(Config, DefaultsAreTheRelaRecipe) {
  const ExperimentConfig c = load_text(small_config());
  EXPECT_EQ(c.batch_size, 128);
  EXPECT_EQ(c.optimizer.name, OptimizerConfig::Name::kAdamW);
  EXPECT_EQ(c.optimizer.lr, 0.001);
  EXPECT_EQ(c.optimizer.weight_decay, 0.01);
  EXPECT_EQ(c.scheduler.name, LrSchedule::Shape::kConstant);
  EXPECT_EQ(c.momentum.base, 0.99);
  EXPECT_EQ(c.momentum.final, 0.99);
  EXPECT_EQ(c.byol.proj_hidden_dim, std::nullopt);
  EXPECT_EQ(c.byol.pred_hidden_dim, std::nullopt);
  EXPECT_EQ(c.byol.proj_output_dim, 256);
  EXPECT_EQ(c.data.ratio, 1.0);
  EXPECT_EQ(c.rela.prior.model, "random");
  EXPECT_EQ(c.rela.prior.normalize, std::nullopt);
  EXPECT_FALSE(c.rela.prior.allow_partial);
  EXPECT_EQ(c.rela.pca_dim, std::nullopt);
  EXPECT_FALSE(c.rela.train_map);
  EXPECT_EQ(c.rela.phase_switch.mode, SwitchConfig::Mode::kAdaptive);
  EXPECT_EQ(c.rela.phase_switch.fraction, std::nullopt);
  ASSERT_EQ(c.augmentations.size(), 1u);
  EXPECT_EQ(&c.view(0), &c.view(1));
  EXPECT_EQ(c.view(1).color_jitter.prob, 0.8);
  EXPECT_EQ(c.view(1).blur.prob, 0.0);
  EXPECT_EQ(c.view(1).blur.kernel, BlurKernel::kTenth);
}

TEST(Config, EveryKeyIsReadIntoItsField) {
  const ExperimentConfig c = load_text(R"({
    "$schema": "x", "_comment": ["anything", {"goes": null}],
    "schema_version": 1, "seed": 9007199254740993, "device": "cpu", "precision": "bf16-mixed",
    "loss_scale": {"mode": "static", "value": 1024, "growth_interval": 9},
    "deterministic": true, "cuda_graph": "off", "threads": 3, "float32_matmul": "tf32",
     "method": "rela_supervised", "out": "/tmp/out/", "max_steps": 7,
    "batch_size": 32, "accum_steps": 4,
    "backbone": {"_comment": "here too", "name": "resnet34", "cifar_stem": false, "width": 16},
    "byol": {"proj_hidden_dim": 8, "proj_output_dim": 9, "pred_hidden_dim": 10, "loss_reduction": "mean"},
    "momentum": {"base_tau": 0, "final_tau": 1},
    "rela": {"prior": {"model": "resnet34", "weights": "/priors/x/", "image_size": 96, "activation": "gelu", "normalize": {"std": [0.1, 2, 3], "mean": [0, -1, 0.3]},
                       "allow_partial": true},
             "pca_dim": 11, "train_map": true, "switch": {"mode": "fixed", "fraction": 0.75},
             "view": {"crop_scale": [0.25, 0.5], "hflip": 0.1, "grayscale": 0.3,
                      "color_jitter": {"prob": 0.6, "brightness": 0.5, "contrast": 0.4, "saturation": 0.3, "hue": 0.1}},
             "targets_path": "/tmp/targets"},
    "data": {"format": "cifar100", "train_path": "/data/a/../b", "val_path": null, "ratio": 0.2, "workers": 0, "augment_on": "cpu",
             "bad_images": "skip", "max_bad_fraction": 0.25, "cache_dir": "/tmp/lists/", "synthetic_images": 5},
    "augmentations": [{"crop_size": 24, "crop_scale": [0.5, 0.5], "hflip": 0, "grayscale": 1,
                       "color_jitter": {"prob": 0.1, "brightness": 0.2, "contrast": 0.3, "saturation": 0.4, "hue": 0.5},
                       "blur": {"prob": 0.6, "sigma": [1, 2], "kernel": "full"}, "solarize": {"prob": 0.7, "threshold": 0.8}},
                      {"crop_size": 24}],
    "optimizer": {"name": "lars", "lr": 0.2, "lr_scaling": "linear", "lr_base_batch": 64, "weight_decay": 0,
                  "momentum": 0.8, "nesterov": true, "betas": [0.5, 0.25], "eps": 0.125, "trust_coefficient": 2,
                  "exclude_bias_and_norm": false, "layer_decay": 1},
    "scheduler": {"name": "warmup_cosine", "warmup_epochs": 1.5, "min_lr": 0.01},
    "eval": {"online_linear": false, "knn_every_epochs": 0, "knn_k": 3, "knn_temperature": 0.5, "knn_train_images": 100},
    "checkpoint": {"every_steps": 0, "keep_last": 4},
    "distributed": {"sync_batchnorm": false, "reduce_dtype": "bf16", "bucket_mb": 0.5, "timeout_s": 30, "shards": 8},
    "log_every_steps": 2})");
  EXPECT_EQ(to_resolved_json(c), R"({
  "schema_version": 1,
  "seed": 9007199254740993,
  "device": "cpu",
  "precision": "bf16-mixed",
  "float32_matmul": "tf32",
  "loss_scale": {"mode": "static", "value": 1024.0, "growth_interval": 9},
  "deterministic": true,
  "cuda_graph": "off",
  "threads": 3,
  "method": "rela_supervised",
  "out": "/tmp/out",
  "epochs": null,
  "max_steps": 7,
  "batch_size": 32,
  "accum_steps": 4,
  "backbone": {"name": "resnet34", "cifar_stem": false, "width": 16, "init": "fan_out_normal"},
  "byol": {"proj_hidden_dim": 8, "proj_output_dim": 9, "pred_hidden_dim": 10, "loss_reduction": "mean"},
  "momentum": {"base_tau": 0.0, "final_tau": 1.0},
  "rela": {
    "prior": {
      "model": "resnet34",
      "weights": "/priors/x",
      "normalize": {
        "mean": [0.0, -1.0, 0.3],
        "std": [0.1, 2.0, 3.0]
      },
      "image_size": 96,
      "activation": "gelu",
      "allow_partial": true
    },
    "pca_dim": 11,
    "train_map": true,
    "switch": {"mode": "fixed", "fraction": 0.75},
    "view": {
      "crop_scale": [0.25, 0.5],
      "hflip": 0.1,
      "color_jitter": {"prob": 0.6, "brightness": 0.5, "contrast": 0.4, "saturation": 0.3, "hue": 0.1},
      "grayscale": 0.3
    },
    "targets_path": "/tmp/targets"
  },
  "data": {"format": "cifar100", "train_path": "/data/b", "val_path": null, "ratio": 0.2, "workers": 0, "augment_on": "cpu", "bad_images": "skip", "max_bad_fraction": 0.25, "cache_dir": "/tmp/lists", "synthetic_images": 5},
  "augmentations": [
    {
      "crop_size": 24,
      "crop_scale": [0.5, 0.5],
      "hflip": 0.0,
      "color_jitter": {"prob": 0.1, "brightness": 0.2, "contrast": 0.3, "saturation": 0.4, "hue": 0.5},
      "grayscale": 1.0,
      "blur": {
        "prob": 0.6,
        "sigma": [1.0, 2.0],
        "kernel": "full"
      },
      "solarize": {"prob": 0.7, "threshold": 0.8}
    },
    {
      "crop_size": 24,
      "crop_scale": [0.08, 1.0],
      "hflip": 0.5,
      "color_jitter": {"prob": 0.8, "brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.1},
      "grayscale": 0.2,
      "blur": {
        "prob": 0.0,
        "sigma": [0.1, 2.0],
        "kernel": "tenth"
      },
      "solarize": {"prob": 0.0, "threshold": 0.5}
    }
  ],
  "optimizer": {
    "name": "lars",
    "lr": 0.2,
    "lr_scaling": "linear",
    "lr_base_batch": 64,
    "weight_decay": 0.0,
    "momentum": 0.8,
    "nesterov": true,
    "betas": [0.5, 0.25],
    "eps": 0.125,
    "trust_coefficient": 2.0,
    "exclude_bias_and_norm": false,
    "layer_decay": 1.0
  },
  "scheduler": {"name": "warmup_cosine", "warmup_epochs": 1.5, "min_lr": 0.01},
  "eval": {"online_linear": false, "knn_every_epochs": 0, "knn_k": 3, "knn_temperature": 0.5, "knn_train_images": 100},
  "checkpoint": {"every_steps": 0, "keep_last": 4},
  "distributed": {"sync_batchnorm": false, "reduce_dtype": "bf16", "bucket_mb": 0.5, "timeout_s": 30.0, "shards": 8},
  "log_every_steps": 2
}
)");
  EXPECT_EQ(c.optimizer.beta2, 0.25);
  EXPECT_EQ(c.augmentations[0].color_jitter.hue, 0.5);
  EXPECT_EQ(c.augmentations[0].blur.kernel, BlurKernel::kFull);
  EXPECT_EQ(c.data.format, DataFormat::kCifar100);
}

TEST(Config, PathsStartAtTheConfigFileAndThoseOfOverridesAtTheCurrentFolder) {
  const TempDir dir;
  const std::string path = dir.write(
      "configs/run.json",
      R"({"method": "byol", "epochs": 1, "data": {"format": "cifar10", "train_path": "../data/"}})");
  const std::string root = std::filesystem::canonical(dir.path()).string();
  const ExperimentConfig c = load_config(root + "/configs/run.json", {"data.val_path=here/x"});
  EXPECT_EQ(c.data.train_path, root + "/data");
  EXPECT_EQ(c.data.val_path, (std::filesystem::current_path() / "here/x").string());
  EXPECT_EQ(c.out, root + "/configs/runs/run");
}

TEST(Config, LearningRateScalesWithTheEffectiveBatchOnlyWhenAsked) {
  const std::string batch = R"("batch_size": 64, "accum_steps": 2, )";
  EXPECT_EQ(load_text(small_config(batch + R"("optimizer": {"lr": 0.5})")).resolved_lr(), 0.5);
  const ExperimentConfig scaled =
      load_text(small_config(batch + R"("optimizer": {"lr": 0.5, "lr_scaling": "linear"})"));
  EXPECT_EQ(scaled.effective_batch(), 128);
  EXPECT_EQ(scaled.resolved_lr(), 0.25);
  EXPECT_EQ(scaled.optimizer.lr, 0.5);
}

TEST(Config, LightningsNamesOfPrecisionsAreTaken) {
  for (const auto& [theirs, ours] : {std::pair("32-true", "fp32"), {"16-mixed", "fp16-mixed"}}) {
    const ExperimentConfig c = load_text(small_config(cat(R"("precision": ")", theirs, "\"")));
    EXPECT_NE(to_resolved_json(c).find(cat("\"precision\": \"", ours, "\"")), std::string::npos);
  }
}

TEST(Config, TheAdviceToShrinkABackboneIsAKeyThatItTakes) {
  for (const BackboneSpec& family : backbone_families()) {
    const std::string advice = how_to_shrink(family);
    const bool takes_a_width = mistakes_of(small_config(), {"backbone.name=" + name_of(family),
                                                            "backbone.width=1"}) == "accepted";
    EXPECT_EQ(advice, takes_a_width ? "lower backbone.width" : "choose a smaller backbone.name")
        << family_title(family);
  }
}

TEST(Config, CifarResNetsComeInOneShape) {
  const ExperimentConfig c = load_text(small_config(), {"backbone.name=resnet20_cifar"});
  EXPECT_THAT(to_resolved_json(c),
              testing::HasSubstr(
                  R"("backbone": {"name": "resnet20_cifar", "cifar_stem": true, "width": 16,)"
                  R"( "init": "fan_out_normal"})"));
  EXPECT_EQ(mistakes_of(small_config(R"("backbone": {"width": 16, "cifar_stem": true,)"
                                     R"( "name": "resnet20_cifar"})")),
            "accepted");
  EXPECT_EQ(
      mistakes_of(small_config(), {"backbone.name=resnet20_cifar", "backbone.width=64",
                                   "backbone.cifar_stem=false"}),
      "backbone.cifar_stem: must be true or left out for resnet20_cifar (got false) in --set\n"
      "backbone.width: must be 16 or left out for resnet20_cifar (got 64) in --set");
}

TEST(Config, ClipsNamesSayWhichActivationTheyMean) {
  const auto resolved = [&](const std::vector<std::string>& overrides) {
    return to_resolved_json(load_text(small_config(), overrides));
  };
  EXPECT_THAT(resolved({"backbone.name=ViT-B/32"}),
              testing::HasSubstr(R"("backbone": {"name": "ViT-B/32", "image_size": 32, )"
                                 R"("activation": "quick_gelu", "projection": false,)"));
  EXPECT_THAT(resolved({"backbone.name=vit_base_patch32_clip_224", "backbone.activation=gelu"}),
              testing::HasSubstr(R"("activation": "gelu")"));
  EXPECT_THAT(mistakes_of(small_config(), {"backbone.name=vit_base_patch32_clip_224"}),
              testing::StartsWith("backbone.activation: missing; there are weights of "
                                  "vit_base_patch32_clip_224 of either kind"));
  EXPECT_THAT(
      mistakes_of(small_config(), {"backbone.name=ViT-B/32", "backbone.activation=gelu"}),
      testing::StartsWith("backbone.activation: must be quick_gelu or left out for ViT-B/32"));
}

TEST(Config, OnlyTransformersHaveALayerDecay) {
  const std::vector<std::string> decay{"optimizer.layer_decay=0.65"};
  EXPECT_THAT(mistakes_of(small_config(), decay),
              testing::StartsWith("optimizer.layer_decay: must be 1 or left out for resnet18"));
  const ExperimentConfig c =
      load_text(small_config(), {decay[0], "backbone.name=vit_tiny_patch4_32"});
  EXPECT_EQ(c.optimizer.layer_decay, 0.65);
}

TEST(Config, VisionTransformersMayKeepTheirPatchEmbedding) {
  const auto spec = [](const std::vector<std::string>& more) {
    std::vector<std::string> overrides{"backbone.name=vit_tiny_patch4_32"};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return std::get<VitSpec>(load_text(small_config(), overrides).backbone);
  };
  EXPECT_EQ(spec({}).frozen_patch_embedding, true);
  EXPECT_EQ(spec({"method=supervised"}).frozen_patch_embedding, false);
  EXPECT_EQ(spec({"backbone.frozen_patch_embedding=false"}).frozen_patch_embedding, false);
  EXPECT_FALSE(spec({}).fixed_positions);
  EXPECT_TRUE(spec({"backbone.fixed_positions=true"}).fixed_positions);
  EXPECT_EQ(spec({}).pooling, VitSpec::Pooling::kToken);
  EXPECT_EQ(spec({"backbone.pooling=mean"}).pooling, VitSpec::Pooling::kMean);
  EXPECT_EQ(spec({"backbone.drop_path=0.1"}).drop_path, 0.1);
}

TEST(Config, NormalisationsGoByTheirNames) {
  for (const char* name : {"imagenet", "clip", "cifar10", "none"}) {
    const ExperimentConfig c = load_text(small_config(), {cat("rela.prior.normalize=", name)});
    EXPECT_NE(to_resolved_json(c).find(cat("\"normalize\": \"", name, "\"")), std::string::npos);
  }
  const ExperimentConfig c =
      load_text(small_config(), {R"(rela.prior.normalize={"mean": [0, 0, 0], "std": [1, 1, 1]})"});
  EXPECT_EQ(c.rela.prior.normalize, Normalization{});
}

TEST(Config, ResolvedConfigLoadsToTheSameConfig) {
  const TempDir dir;
  const std::string first = to_resolved_json(load_config(
      dir.write("run.json", small_config(R"("optimizer": {"lr": 0.30000000000000004}, "threads": 2,
                 "augmentations": [{"hflip": 0.1}, {"blur": {"prob": 0.5}}])"))));
  const ExperimentConfig again = load_config(dir.write("elsewhere/resolved.json", first));
  EXPECT_EQ(to_resolved_json(again), first);
  EXPECT_EQ(again.optimizer.lr, 0.30000000000000004);
  EXPECT_EQ(again.augmentations[1].blur.prob, 0.5);
  EXPECT_EQ(again.epochs, 5);
  EXPECT_EQ(again.max_steps, std::nullopt);
  EXPECT_EQ(again.data.workers, std::nullopt);
}

TEST(Config, EveryFileInAppsConfigsLoads) {
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(RELA_SOURCE_DIR "/apps/configs")) {
    if (file.path().extension() != ".json") continue;
    ++files;
    EXPECT_NO_THROW(load_config(file.path())) << file.path();
  }
  EXPECT_GE(files, 3);
}

TEST(Config, PresetsResolveToThePublishedRates) {
  const std::string folder = RELA_SOURCE_DIR "/apps/configs/cifar10-byol-";
  EXPECT_DOUBLE_EQ(load_config(folder + "rela-recipe.json").resolved_lr(), 0.001);
  EXPECT_DOUBLE_EQ(load_config(folder + "solo.json").resolved_lr(), 1.0);
  EXPECT_DOUBLE_EQ(load_config(folder + "lightly.json").resolved_lr(), 0.06);
  EXPECT_DOUBLE_EQ(load_config(folder + "lightly.json", {"batch_size=512"}).resolved_lr(), 0.24);
}

}  // namespace
}  // namespace rela
