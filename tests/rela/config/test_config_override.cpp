#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rela/config/config_sections.h"
#include "rela/config/idle_keys.h"
#include "tests/rela/config/config_support.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using test::load_text;
using test::mistakes_of;
using test::small_config;

TEST(ConfigOverride, IsTypedByTheTableAndTheLastWins) {
  const ExperimentConfig c =
      load_text(small_config(R"("optimizer": {"lr": 0.1})"),
                {"optimizer.lr=0.3", "optimizer.name=sgd", "deterministic=true",
                 "data.workers=auto", "optimizer.betas=[0.5, 0.6]", "out=123", "optimizer.lr=3e-1",
                 "byol.proj_hidden_dim=77", "backbone.name=\"resnet34\"", "eval={\"knn_k\": 5}"});
  EXPECT_EQ(c.optimizer.lr, 0.3);
  EXPECT_EQ(c.optimizer.name, OptimizerConfig::Name::kSgd);
  EXPECT_TRUE(c.deterministic);
  EXPECT_EQ(c.optimizer.beta2, 0.6);
  EXPECT_THAT(c.out, testing::EndsWith("/123"));
  EXPECT_EQ(c.byol.proj_hidden_dim, 77);
  EXPECT_EQ(name_of(c.backbone), "resnet34");
  EXPECT_EQ(c.eval.knn.k, 5);
}

TEST(ConfigOverride, StepsReplaceEpochs) {
  const ExperimentConfig c = load_text(small_config(), {"epochs=null", "max_steps=3"});
  EXPECT_EQ(c.epochs, std::nullopt);
  EXPECT_EQ(c.max_steps, 3);
}

TEST(ConfigOverride, ReachesElementsOfLists) {
  ExperimentConfig c = load_text(small_config(), {"augmentations.0.hflip=0"});
  ASSERT_EQ(c.augmentations.size(), 1u);
  EXPECT_EQ(c.augmentations[0].hflip, 0.0);
  EXPECT_EQ(c.augmentations[0].grayscale, 0.2);

  c = load_text(small_config(), {"augmentations.1.blur.prob=0.5"});
  ASSERT_EQ(c.augmentations.size(), 2u);
  EXPECT_EQ(c.augmentations[0].blur.prob, 0.0);
  EXPECT_EQ(c.augmentations[1].blur.prob, 0.5);

  c = load_text(small_config(R"("augmentations": [{"hflip": 0.1}])"),
                {"augmentations.1.blur.prob=0.5"});  // the one served both
  EXPECT_EQ(c.augmentations[1].hflip, 0.1);

  c = load_text(small_config(R"("augmentations": [{"hflip": 0.1}, {"hflip": 0.2}])"),
                {"augmentations.1.hflip=0.3", "augmentations.0={\"grayscale\": 0}"});
  EXPECT_EQ(c.augmentations[0].hflip, 0.5);
  EXPECT_EQ(c.augmentations[0].grayscale, 0.0);
  EXPECT_EQ(c.augmentations[1].hflip, 0.3);
}

TEST(ConfigSetting, KeepsItsLineAndItsPathsStartAtItsFolder) {
  ExperimentConfig defaults;
  ConfigTable table;
  describe(table, defaults);
  ConfigIssues issues;
  JsonValue document = parse_json(small_config());
  const JsonValue settings = parse_json(
      "{\n"
      "\"rela.prior\": {\"model\": \"resnet20_cifar\", \"weights\": \"a/b\"},\n"
      "\"data.val_path\": \"../c\",\n"
      "\"optimizer.lr\": -1,\n"
      "\"optimizer.lrr\": 1 }");
  for (const JsonValue::Member& setting : *settings.as<JsonValue::Object>()) {
    apply_setting(document, table, setting, "/tables", issues);
  }
  const ExperimentConfig c = read_experiment_config(document, "/configs", issues);
  EXPECT_EQ(c.rela.prior.weights, "/tables/a/b");
  EXPECT_EQ(c.data.val_path, "/c");
  EXPECT_EQ(issues.text(),
            "optimizer.lr: must be a number > 0 (got -1) at line 4\n"
            "optimizer.lrr: unknown key (got 1) at line 5; did you mean \"lr\"?");
}

TEST(ConfigOverride, MistakesSayThatTheyComeFromTheCommandLine) {
  EXPECT_EQ(
      mistakes_of(small_config(), {"optimizer.lrr=1", "optimizr.lr=1", "optimizer.lr.x=1",
                                   "seed=abc", "augmentations.1.hflp=1", "augmentations.2.hflip=1",
                                   "augmentations.x=1", "noequals", "=5"}),
      "optimizer.lrr: unknown key (got 1) in --set; did you mean \"lr\"?\n"
      "optimizr: unknown key (got 1) in --set; did you mean \"optimizer\"?\n"
      "optimizer.lr.x: unknown key, lr has no keys below it (got 1) in --set\n"
      "augmentations.1.hflp: unknown key (got 1) in --set; did you mean \"hflip\"?\n"
      "augmentations.2: no such element, the list has 2 of at most 2, numbered from 0 (got 1) "
      "in --set\n"
      "augmentations.x: no such element, the list has 2 of at most 2, numbered from 0 (got 1) "
      "in --set\n"
      "--set: \"noequals\" is not key.path=value\n"
      "--set: \"=5\" is not key.path=value\n"
      "seed: must be an integer >= 0 (got \"abc\") in --set");
}

TEST(ConfigOverride, ASectionOfTheWrongKindIsReportedFromTheFile) {
  EXPECT_EQ(mistakes_of(small_config(R"("optimizer": 5)"), {"optimizer.lr=1"}),
            "optimizer: must be an object (got 5) at line 1");
}

TEST(IdleOverrides, KeysThatChangeNothingAreNamedWithWhatUsesThem) {
  const test::TempDir dir;
  const std::vector<std::string> overrides{"optimizer.momentum=0.5",    "optimizer.betas=[0.8,0.9]",
                                           "scheduler.warmup_epochs=3", "rela.pca_dim=4",
                                           "byol.proj_output_dim=8",    "device=cpu",
                                           "data.augment_on=device"};
  const ExperimentConfig config = load_config(dir.write("c.json", small_config()), overrides);
  EXPECT_THAT(idle_overrides(config, overrides),
              testing::ElementsAre(
                  "optimizer.momentum: no effect with optimizer.name adamw; lars, sgd use it",
                  "scheduler.warmup_epochs: no effect with scheduler.name constant; warmup_cosine "
                  "uses it",
                  "rela.pca_dim: no effect with method byol; rela_byol, rela_supervised use it",
                  "data.augment_on: no effect with device cpu; auto, cuda use it"));
}

TEST(ConfigOverride, NumbersThatKernelsCannotHoldAreRefused) {
  for (const char* value : {"1e-60", "1e300", "1e-40"}) {
    EXPECT_THAT([&] { load_text(small_config(), {cat("optimizer.lr=", value)}); },
                testing::ThrowsMessage<ConfigError>(testing::HasSubstr("between 1e-38 and 3e38")));
  }
}

TEST(IdleOverrides, KeysOfAnEvaluationThatNeverComesAreNamed) {
  const test::TempDir dir;
  std::vector<std::string> overrides{"eval.knn_k=3", "data.bad_images=\"skip\"",
                                     "eval.knn_every_epochs=0", "data.format=\"synthetic\""};
  const std::string file = dir.write("c.json", small_config());
  EXPECT_THAT(
      idle_overrides(load_config(file, overrides), overrides),
      testing::ElementsAre("eval.knn_k: no effect with eval.knn_every_epochs 0; any other value "
                           "uses it",
                           "data.bad_images: no effect with data.format synthetic; imagefolder, "
                           "tar, packed use it"));
  overrides[2] = "eval.knn_every_epochs=1";
  EXPECT_EQ(idle_overrides(load_config(file, overrides), overrides).size(), 1u);
}

TEST(IdleOverrides, KeysInAWholeSectionAreNamedToo) {
  const test::TempDir dir;
  const std::vector<std::string> overrides{
      R"(optimizer={"name": "adamw", "momentum": 0.3, "eps": 1e-6})",
      R"(rela={"switch": {"mode": "never"}})"};
  const ExperimentConfig config = load_config(dir.write("c.json", small_config()), overrides);
  EXPECT_THAT(
      idle_overrides(config, overrides),
      testing::ElementsAre("optimizer.momentum: no effect with optimizer.name adamw; lars, sgd use "
                           "it",
                           "rela.switch.mode: no effect with method byol; rela_byol, "
                           "rela_supervised use it"));
}

}  // namespace
}  // namespace rela
