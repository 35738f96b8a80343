#include "rela/run/run_log.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/temp_dir.h"

namespace rela {
namespace {

constexpr const char* kWhole =
    R"({"event":"start","step":0,"epoch":0,"time":"t","elapsed_s":0.0,"feature_dim":512})"
    "\n"
    R"({"event":"train","step":10,"epoch":2,"time":"t","elapsed_s":1.5,"phase":"byol","loss":3.25,)"
    R"("lr":0.001,"tau":0.99,"grad_norm":"inf","feature_std":"nan","img_per_s":900,"iter_ms":142.5,)"
    R"("data_wait":0.02})"
    "\n"
    R"({"event":"eval","step":10,"epoch":2,"protocol":"knn","top1":0.25,"correct":2500,"total":10000})"
    "\n"
    R"({"event":"warning","step":12,"epoch":2,"elapsed_s":2.0,"message":"slow"})"
    "\n"
    R"({"event":"stop","step":20,"epoch":1,"elapsed_s":3.0,"reason":"finished"})"
    "\n";

TEST(RunLog, ReadsEveryKindOfLine) {
  const RunLog log = parse_run_log(kWhole);
  ASSERT_EQ(log.train.size(), 1U);
  const auto& [at, p] = log.train[0];
  EXPECT_EQ(at.step, 10);
  EXPECT_EQ(at.epoch, 2);
  EXPECT_EQ(at.elapsed_s, 1.5);
  EXPECT_EQ(p.phase, "byol");
  EXPECT_EQ(p.loss, 3.25);
  EXPECT_EQ(p.lr, 0.001);
  EXPECT_EQ(p.tau, 0.99);
  EXPECT_EQ(p.grad_norm, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(p.feature_std));
  EXPECT_EQ(p.img_per_s, 900);
  EXPECT_EQ(p.iter_ms, 142.5);
  EXPECT_EQ(p.data_wait, 0.02);
  ASSERT_EQ(log.evals.size(), 1U);
  EXPECT_EQ(log.evals[0].event.protocol, "knn");
  EXPECT_EQ(log.evals[0].event.correct, 2500);
  ASSERT_EQ(log.marks.size(), 3U);
  EXPECT_EQ(headline(log.marks[1].event), "slow");
  EXPECT_EQ(headline(log.marks[2].event), "finished");
  EXPECT_EQ(log.feature_dim, 512);
  EXPECT_FALSE(log.torn);
  EXPECT_TRUE(log.bad_lines.empty());
}

TEST(RunLog, SurvivesBeingTornAtEveryByte) {
  const std::string whole = kWhole;
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    const RunLog log = parse_run_log(whole.substr(0, cut));
    const size_t last_newline = whole.substr(0, cut).rfind('\n');
    const size_t kept = last_newline == std::string::npos ? 0 : last_newline + 1;
    EXPECT_EQ(log.whole_bytes, static_cast<int64_t>(kept));
    EXPECT_EQ(log.torn, kept < cut) << cut;
    EXPECT_TRUE(log.bad_lines.empty()) << cut;
  }
}

TEST(RunLog, SkipsAndNumbersLinesThatAreNoEvents) {
  const RunLog log = parse_run_log(
      "garbage\n"
      "{\"event\":\"train\",\"step\":1}\n"
      "\n"
      "{\"step\":2}\n"
      "{\"event\":\"train\",\"step\":\"3\"}\n"
      "[1]\n"
      "{\"event\":\"unheard-of\",\"step\":4}\n");
  EXPECT_EQ(log.bad_lines, (std::vector<int64_t>{1, 3, 4, 5, 6, 7}));
  ASSERT_EQ(log.train.size(), 1U);
  EXPECT_TRUE(std::isnan(log.train[0].event.loss));
}

TEST(RunLog, OfNoFileIsEmpty) {
  const test::TempDir dir;
  const RunLog log = read_run_log(dir / "metrics.jsonl");
  EXPECT_TRUE(log.train.empty());
  EXPECT_EQ(log.whole_bytes, 0);
}

TEST(RunLog, KeepsTheStepsThroughACheckpointUnchanged) {
  const std::string first = "{\"event\":\"start\",\"step\":0}\n";
  const std::string ten = "{\"event\":\"train\", \"step\":10, \"loss\":\"nan\"}\n";
  const std::string twenty = "{\"event\":\"train\",\"step\":20}\n";
  const std::string late = "{\"event\":\"checkpoint\",\"step\":10}\n";
  EXPECT_EQ(keep_steps_through(first + ten + twenty + late + "{\"event\":\"tr", 10),
            first + ten + late);
  EXPECT_EQ(keep_steps_through(first + "oops\n" + ten, 99), first + ten);
  EXPECT_EQ(keep_steps_through("", 5), "");
}

}  // namespace
}  // namespace rela
