#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rela/config/config_support.h"

namespace rela {
namespace {

using test::mistakes_of;
using test::small_config;

TEST(ConfigMistakes, AllAreReportedAtOnceWithPathValueLineAndSuggestion) {
  EXPECT_EQ(
      mistakes_of(R"({
  "method": "byol",
  "epochs": 10,
  "batch_size": "128",
  "optimizer": {
    "name": "adam",
    "learning_rate": 0.1,
    "weight_decy": 0.05
  },
  "augmentations": [
    { "crop_scale": [1.0, 0.08], "hflip": 1.5 }
  ],
  "data": { "format": "cifar10", "train_path": "/data", "worker": 2 }
})"),
      "batch_size: must be an integer in [2, 1048576] (got \"128\") at line 4\n"
      "optimizer.name: must be one of \"adamw\", \"lars\", \"sgd\" (got \"adam\") at line 6; did "
      "you mean \"adamw\"?\n"
      "optimizer.learning_rate: unknown key, this section knows name, lr, lr_scaling, "
      "lr_base_batch, weight_decay, momentum, nesterov, betas, eps, trust_coefficient, "
      "exclude_bias_and_norm, layer_decay (got 0.1) at line 7\n"
      "optimizer.weight_decy: unknown key (got 0.05) at line 8; did you mean "
      "\"weight_decay\"?\n"
      "augmentations.0.crop_scale: must be [a, b], two numbers in (0, 1], a <= b (got "
      "[1.0,0.08]) at line 11\n"
      "augmentations.0.hflip: must be a number in [0, 1] (got 1.5) at line 11\n"
      "data.worker: unknown key (got 2) at line 13; did you mean \"workers\"?");
}

TEST(ConfigMistakes, WhatIsRequiredIsNamed) {
  EXPECT_EQ(mistakes_of("{}"),
            "method: missing; must be one of \"byol\", \"rela_byol\", \"supervised\", "
            "\"rela_supervised\"\n"
            "data: missing; this section is required\n"
            "epochs, max_steps: missing; exactly one of them must be given");
  EXPECT_EQ(mistakes_of(R"({"method": "byol", "max_steps": 1, "data": {}})"),
            "data.format: missing; must be one of \"cifar10\", \"cifar100\", \"idx\", "
            "\"imagefolder\", \"tar\", \"packed\", \"synthetic\"\n"
            "data.train_path: missing; every format but \"synthetic\" needs it");
  EXPECT_EQ(
      mistakes_of(R"({"method": "byol", "max_steps": 1,
                            "data": {"format": "cifar100", "train_path": null}})"),
      "data.train_path: missing; every format but \"synthetic\" needs it (got null) at line 2");
}

TEST(ConfigMistakes, EpochsAndStepsExcludeEachOther) {
  EXPECT_EQ(
      mistakes_of(small_config("\n\"max_steps\": 5")),
      "epochs, max_steps: exactly one of them may be given; remove the others (got 5) at line "
      "2");
  EXPECT_EQ(mistakes_of(small_config(R"("max_steps": null)")), "accepted");
}

TEST(ConfigMistakes, TheNearestMethodIsSuggested) {
  EXPECT_EQ(mistakes_of(small_config(), {"method=byoll"}),
            "method: must be one of \"byol\", \"rela_byol\", \"supervised\", \"rela_supervised\" "
            "(got \"byoll\") in --set; did you mean \"byol\"?");
}

TEST(ConfigMistakes, AKeyOfAnotherFamilyOfBackbonesIsNamedAsSuch) {
  const std::string file = small_config(R"("backbone": {"name": "resnet18", "width": 8})");
  EXPECT_THAT(
      mistakes_of(file, {"backbone.name=vit_tiny_patch4_32", "backbone.cifar_stem=true"}),
      testing::MatchesRegex(
          "backbone.cifar_stem: a key of ResNets and CIFAR ResNets, and vit_tiny_patch4_32 takes "
          "image_size, .*and init; remove it .got true. in --set\n"
          "backbone: its keys depend on backbone.name; to replace all of them at once: --set "
          "'backbone=.\"name\": \"vit_tiny_patch4_32\".'\n"
          "backbone.width: a key of ResNets and CIFAR ResNets, and vit_tiny_patch4_32 takes "
          "image_size, .*and init; remove it .got 8. at line 1"));
  EXPECT_THAT(
      mistakes_of(small_config(), {"backbone.image_size=64"}),
      testing::MatchesRegex(
          "backbone.image_size: a key of vision transformers.*, and resnet18 takes cifar_stem, "
          "width and init; remove it .got 64. in --set\n"
          "backbone: its keys depend on backbone.name; to replace all of them at once: --set "
          "'backbone=.\"name\": \"resnet18\".'"));
}

TEST(ConfigMistakes, AKeyOfNoFamilyIsComparedWithThoseOfThePresentOne) {
  EXPECT_EQ(mistakes_of(small_config(R"("backbone": {"widht": 8})")),
            "backbone.widht: unknown key (got 8) at line 1; did you mean \"width\"?");
  EXPECT_THAT(mistakes_of(small_config(R"("eval.knn_k": 3)")),
              testing::HasSubstr(R"(sections nest: {"eval": {"knn_k": ...}})"));
  const std::string name = "backbone.name=vit_tiny_patch4_32", key = "backbone.widht=8";
  for (const auto& settings : {std::vector{name, key}, std::vector{key, name}}) {
    EXPECT_THAT(mistakes_of(small_config(), settings),
                testing::MatchesRegex("backbone.widht: unknown key, this section knows name, "
                                      "image_size, .*init .got 8. in --set"));
  }
}

TEST(ConfigMistakes, OnlyTheNameIsWrongWhereItBelongsToNoFamily) {
  EXPECT_THAT(
      mistakes_of(small_config(R"("backbone": {"name": "vit_tiny_patch4_31", "image_size": 8})")),
      testing::AllOf(testing::StartsWith("backbone.name: must be one of \"resnet18\""),
                     testing::HasSubstr("did you mean \"vit_tiny_patch4_32\"?"),
                     testing::Not(testing::HasSubstr("image_size"))));
}

TEST(ConfigMistakes, APriorAndItsWeightsGoTogether) {
  EXPECT_EQ(mistakes_of(small_config(R"("rela": {"prior": {"weights": "w.safetensors"}})")),
            "rela.prior.weights: must be null for the model \"random\"; name the model that the "
            "weights are of, or \"exported\" for a finished run's folder (got \"w.safetensors\") "
            "at line 1");
  EXPECT_EQ(mistakes_of(small_config(R"("rela": {"prior": {"model": "resnet18"}})")),
            "rela.prior.weights: missing; the model \"resnet18\" needs its weights");
  EXPECT_EQ(mistakes_of(small_config(R"("rela": {"prior": {"model": "exported"}})")),
            "rela.prior.weights: missing; the model \"exported\" needs a finished run's folder");
  EXPECT_EQ(mistakes_of(small_config(R"("rela": {"prior": {"image_size": 64}})")),
            "rela.prior.image_size: must be null for the model \"random\", which sees what the "
            "student does (got 64) at line 1");
  EXPECT_THAT(
      mistakes_of(small_config(R"("rela": {"prior": {"model": "resnet19", "weights": "w"}})")),
      testing::AllOf(testing::StartsWith("rela.prior.model: must be one of \"random\", "
                                         "\"exported\", \"resnet18\""),
                     testing::HasSubstr("did you mean \"resnet18\"?")));
}

TEST(ConfigMistakes, TheFixedSwitchNeedsItsFractionAndTheOthersHaveNone) {
  EXPECT_EQ(mistakes_of(small_config(R"("rela": {"switch": {"mode": "fixed"}})")),
            "rela.switch.fraction: missing; the mode \"fixed\" needs it, a number in [0, 1]");
  for (const char* mode : {"adaptive", "never"}) {
    EXPECT_EQ(mistakes_of(small_config(
                  cat(R"("rela": {"switch": {"mode": ")", mode, R"(", "fraction": 0.5}})"))),
              "rela.switch.fraction: must be null unless rela.switch.mode is \"fixed\" (got 0.5) "
              "at line 1");
  }
}

TEST(ConfigMistakes, ANormalisationIsANameOrThreeMeansAndThreePositiveDeviations) {
  const std::string allowed =
      "rela.prior.normalize: must be one of \"imagenet\", \"clip\", \"cifar10\", \"half\", "
      "\"none\", "
      "{\"mean\": [r, g, b], \"std\": [r, g, b]} with std > 0, or null";
  for (const char* wrong :
       {R"(3)", R"([0.5,0.5,0.5])", R"({"mean":[0,0,0]})", R"({"mean":[0,0],"std":[1,1,1]})",
        R"({"mean":[0,0,0],"std":[1,0,1]})", R"({"mean":[0,0,0],"std":[1,"1",1]})"}) {
    EXPECT_EQ(mistakes_of(small_config(cat(R"("rela": {"prior": {"normalize": )", wrong, "}}"))),
              cat(allowed, " (got ", wrong, ") at line 1"));
  }
  EXPECT_EQ(mistakes_of(small_config(), {"rela.prior.normalize=imagnet"}),
            cat(allowed, " (got \"imagnet\") in --set; did you mean \"imagenet\"?"));
}

TEST(ConfigMistakes, AreAsManyAsOneReads) {
  std::string keys;
  for (int i = 0; i < 100; ++i) keys += cat("\"wrong", i, "\": 1, ");
  const std::string long_key(10'000, 'k');
  const std::string text = mistakes_of(small_config(cat(keys, "\"", long_key, "\": 1")));
  EXPECT_THAT(text, testing::EndsWith("\nand 81 more"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 20);
  EXPECT_LT(mistakes_of(small_config(cat("\"", long_key, "\": 1"))).size(), 2000u);
}

struct Wrong {
  const char* json;
  const char* line;
};

TEST(ConfigMistakes, EveryTypeIsCheckedStrictly) {
  const Wrong cases[] = {
      {R"("batch_size": 128.0)",
       "batch_size: must be an integer in [2, 1048576] (got 128.0) at line 1"},
      {R"("batch_size": 1)", "batch_size: must be an integer in [2, 1048576] (got 1) at line 1"},
      {R"("accum_steps": 0)", "accum_steps: must be an integer in [1, 1048576] (got 0) at line 1"},
      {R"("seed": 18446744073709551615)",
       "seed: must be at most 9223372036854775807 (got 18446744073709551615) at line 1"},
      {R"("deterministic": 1)", "deterministic: must be true or false (got 1) at line 1"},
      {R"("threads": null)",
       "threads: must be an integer in [1, 4096] or \"auto\" (got null) at line 1"},
      {R"("byol": {"proj_hidden_dim": "auto"})",
       "byol.proj_hidden_dim: must be an integer in [1, 65536] or null (got \"auto\") at line 1"},
      {R"("byol": [])", "byol: must be an object (got []) at line 1"},
      {R"("augmentations": [])",
       "augmentations: must be an array of 1 to 2 objects (got []) at line 1"},
      {R"("augmentations": [{}, {}, {}])",
       "augmentations: must be an array of 1 to 2 objects (got [{},{},{}]) at line 1"},
      {R"("augmentations": [{}, 3])", "augmentations.1: must be an object (got 3) at line 1"},
      {R"("augmentations": [{}, {"crop_size": 24}])",
       "augmentations.1.crop_size: must be that of augmentations.0, 32 (got 24) at line 1"},
      {R"("augmentations": [{"blur": {"sigma": [0, 1]}}])",
       "augmentations.0.blur.sigma: must be [a, b], two numbers in (0, 100], a <= b (got [0,1]) at "
       "line 1"},
      {R"("augmentations": [{"blur": {"kernel": "ful"}}])",
       "augmentations.0.blur.kernel: must be one of \"tenth\", \"full\" (got \"ful\") at line 1; "
       "did "
       "you mean \"full\"?"},
      {R"("optimizer": {"lr": 0})", "optimizer.lr: must be a number > 0 (got 0) at line 1"},
      {R"("optimizer": {"lr": true})", "optimizer.lr: must be a number > 0 (got true) at line 1"},
      {R"("optimizer": {"betas": [0.9]})",
       "optimizer.betas: must be [a, b], two numbers in [0, 1) (got [0.9]) at line 1"},
      {R"("optimizer": {"momentum": 1})",
       "optimizer.momentum: must be a number in [0, 1) (got 1) at line 1"},
      {R"("out": 5)", "out: must be a path or null (got 5) at line 1"},
      {R"("out": "")", "out: must be a path or null (got \"\") at line 1"},
      {R"("rela": {"pca_dim": 0})",
       "rela.pca_dim: must be an integer in [1, 65536] or null (got 0) at line 1"},
      {R"("rela": {"switch": {"mode": "fixed", "fraction": 1.5}})",
       "rela.switch.fraction: must be a number in [0, 1] or null (got 1.5) at line 1\n"
       "rela.switch.fraction: missing; the mode \"fixed\" needs it, a number in [0, 1] (got 1.5) "
       "at "
       "line 1"},
      {R"("cuda_graph": "on", "accum_steps": 2)",
       "cuda_graph: must be \"auto\" or \"off\" with accum_steps above 1, which is 2 (got \"on\") "
       "at "
       "line 1"},
      {R"("schema_version": 2)", "schema_version: must be 1 (got 2) at line 1"},
      {R"("scheduler": {"name": "warmup_cosine"})",
       "scheduler.warmup_epochs: must be at most epochs, which is 5"},
      {R"("scheduler": {"min_lr": 0.5})",
       "scheduler.min_lr: must be at most the learning rate, which is 0.001 after lr_scaling (got "
       "0.5) at line 1"},
  };
  for (const Wrong& wrong : cases) EXPECT_EQ(mistakes_of(small_config(wrong.json)), wrong.line);
}

TEST(ConfigMistakes, LongValuesAreCut) {
  const std::string line =
      mistakes_of(small_config("\"device\": \"" + std::string(500, 'x') + "\""));
  EXPECT_EQ(line, "device: must be one of \"auto\", \"cpu\", \"cuda\" (got \"" +
                      std::string(59, 'x') + "...) at line 1");
}

TEST(ConfigMistakes, WhatIsNotJsonIsAConfigErrorWithFileLineAndColumn) {
  const test::TempDir dir;
  const std::string path = dir.write("run.json", "{\n \"seed\": 1,\n \"seed\": 2\n}");
  try {
    load_config(path);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.what(), path + ": not JSON: line 3, column 7: key \"seed\" is there twice");
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
  }
  EXPECT_THAT(mistakes_of(R"({"seed": NaN})"), testing::HasSubstr("not JSON: line 1, column 10"));
  EXPECT_THAT(mistakes_of("[]"), testing::StartsWith("config: must be an object (got [])"));
}

TEST(ConfigMistakes, AMissingFileIsAnIoError) {
  EXPECT_THROW(load_config("/no/such/config.json"), IoError);
}

}  // namespace
}  // namespace rela
