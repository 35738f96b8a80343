// The small files of a run: folder and lock, metrics, progress line, signals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "rela/run/metrics_log.h"
#include "rela/run/pass_display.h"
#include "rela/run/progress.h"
#include "rela/run/run_directory.h"
#include "rela/run/signals.h"
#include "rela/run/status.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using test::TempDir;

namespace fs = std::filesystem;

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(RunDirectory, RefusesAFolderThatIsNotEmptyAndNamesTheWaysOut) {
  const TempDir dir;
  write_file_atomic((dir.path() / "precious.txt").string(), "x");
  EXPECT_EQ(message_of([&] { RunDirectory(dir.path(), RunMode::kFresh); }),
            "out: " + dir.path().string() +
                " is not empty; pass --resume auto to continue that run, --overwrite to replace "
                "it, or --out for "
                "another folder");
}

TEST(RunDirectory, OverwriteRemovesAnEarlierRunAndNothingElse) {
  const TempDir dir;
  write_file_atomic((dir.path() / "precious.txt").string(), "x");
  write_file_atomic((dir.path() / "metrics.jsonl").string(), "{}\n");
  EXPECT_THAT(message_of([&] { RunDirectory(dir.path(), RunMode::kOverwrite); }),
              testing::HasSubstr("holds files and no run"));
  write_file_atomic((dir.path() / "config.resolved.json").string(), "{}\n");
  const RunDirectory run(dir.path(), RunMode::kOverwrite);
  EXPECT_TRUE(fs::exists(dir.path() / "precious.txt"));
  EXPECT_FALSE(fs::exists(dir.path() / "metrics.jsonl"));
}

TEST(RunDirectory, ASecondOwnerIsRefusedByTheProcessNumberOfTheFirst) {
  const TempDir dir;
  const RunDirectory first(dir.path() / "run", RunMode::kFresh);
  EXPECT_THAT(message_of([&] { RunDirectory(dir.path() / "run", RunMode::kResume); }),
              testing::HasSubstr("is in use by process " + std::to_string(getpid())));
}

TEST(RunDirectory, IsFreeAgainAfterItsOwnerWent) {
  const TempDir dir;
  { const RunDirectory first(dir.path() / "run", RunMode::kFresh); }
  EXPECT_NO_THROW(RunDirectory(dir.path() / "run", RunMode::kFresh));
}

TEST(MetricsLog, WritesOneObjectPerLineAndNonFiniteNumbersAsStrings) {
  const TempDir dir;
  MetricsLog(dir.path() / "metrics.jsonl", 0, 0)
      .write(7, 1, CheckpointEvent{.seconds = std::nan("")});
  const std::string text = read_file((dir.path() / "metrics.jsonl").string());
  EXPECT_THAT(text, testing::StartsWith(R"({"event":"checkpoint","step":7,"epoch":1,"time":)"));
  EXPECT_THAT(text, testing::EndsWith(",\"seconds\":\"nan\"}\n"));
}

TEST(MetricsLog, AResumedRunHasEveryStepOnceEvenAfterATornLine) {
  const TempDir dir;
  const fs::path path = dir.path() / "metrics.jsonl";
  {
    MetricsLog log(path, 0, 0);
    for (const int64_t step : {1, 2, 3, 4}) log.write(step, 0, TrainEvent{});
  }
  write_file_atomic(path.string(), read_file(path.string()) + R"({"event":"train","st)");
  {
    MetricsLog log(path, 2, 12.5);
    EXPECT_GE(log.elapsed_s(), 12.5);
    log.write(3, 0, TrainEvent{});
  }
  const std::string text = read_file(path.string());
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_EQ(text.find(R"("step":4)"), std::string::npos);
}

TEST(Status, IsReadAsItWasWritten) {
  const TempDir dir;
  EXPECT_FALSE(read_status(dir.path()).has_value());
  write_status(dir.path(), {.state = RunStatus::kFailed,
                            .step = 3,
                            .total_steps = 9,
                            .epoch = 1,
                            .exit_code = 4,
                            .message = "why"});
  EXPECT_THAT(read_file((dir.path() / "status.json").string()),
              testing::StartsWith(R"({"state": "failed", "step": 3, "total_steps": 9, "epoch": 1, )"
                                  R"("exit_code": 4, "message": "why", "time": )"));
  const RunStatus status = read_status(dir.path()).value();
  EXPECT_EQ(status.state, RunStatus::kFailed);
  EXPECT_EQ(status.step, 3);
  EXPECT_EQ(status.total_steps, 9);
  EXPECT_EQ(status.epoch, 1);
  EXPECT_EQ(status.exit_code, 4);
  EXPECT_EQ(status.message, "why");
  EXPECT_GT(status.time, 1e9);
}

TEST(Status, ThatIsTornCountsAsAbsent) {
  const TempDir dir;
  dir.write("status.json", R"({"state":"runn)");
  EXPECT_FALSE(read_status(dir.path()).has_value());
}

TEST(Progress, PlainLineShowsEverythingAUserWatches) {
  const ProgressState s{.step = 120,
                        .total_steps = 3900,
                        .epoch = 0.31,
                        .phase = "byol",
                        .loss = 2.3144,
                        .lr = 1e-3,
                        .tau = 0.99,
                        .images_per_s = 480.2,
                        .iter_ms = 266,
                        .data_wait = 0.012,
                        .eta_s = 1008};
  EXPECT_EQ(format_progress(s),
            "step 120/3900 | epoch 0.31 byol | loss 2.3144 | lr 1.00e-03 | tau 0.9900 | 480 img/s "
            "| 266 ms (wait 1%) | "
            "eta 0:16:48");
  EXPECT_THAT(format_progress_bar(s, 200),
              testing::StartsWith("[                    ]   3% step 120/3900"));
  EXPECT_EQ(format_progress_bar(s, 40).size(), 39u);
}

TEST(Progress, ATimeThatIsNotKnownIsAQuestionMark) {
  EXPECT_EQ(format_clock(std::nan("")), "?");
  EXPECT_EQ(format_clock(3661.2), "1:01:01");
}

TEST(PassDisplay, AnImageRateAndTheTimeLeftAreLoggedForEachTenth) {
  const test::LogCapture log;
  PassDisplay display(ProgressDisplay::Style::kPlain, "pass", PassDisplay::Seconds(0));
  for (int64_t done = 1; done <= 40; ++done) display.show(done, 40);
  const std::string text = log.text();
  EXPECT_THAT(text, testing::HasSubstr("pass 40/40 | "));
  EXPECT_THAT(text, testing::HasSubstr(" img/s | eta 0:00:00"));
  EXPECT_LE(std::count(text.begin(), text.end(), '|'), 2 * 11);
  EXPECT_GE(std::count(text.begin(), text.end(), '|'), 2 * 10);
}

TEST(PassDisplay, APassThatIsOverSoonSaysNothing) {
  const test::LogCapture log;
  const auto show = show_pass(ProgressDisplay::Style::kPlain, "pass");
  for (int64_t done = 1; done <= 40; ++done) show(done, 40);
  EXPECT_EQ(log.text(), "");
}

TEST(Signals, UsrOneAsksToStopAndUsrTwoForACheckpointOnce) {
  SignalWatch watch;
  EXPECT_EQ(watch.take(), SignalRequest::kNone);
  std::raise(SIGUSR2);
  EXPECT_EQ(watch.take(), SignalRequest::kCheckpoint);
  EXPECT_EQ(watch.take(), SignalRequest::kNone);
  std::raise(SIGUSR1);
  EXPECT_EQ(watch.take(), SignalRequest::kCheckpointAndStop);
  EXPECT_EQ(watch.take(), SignalRequest::kCheckpointAndStop);
  EXPECT_STREQ(SignalWatch::stop_signal_name(), "SIGUSR1");
}

TEST(Signals, AHangUpStopsUnlessItIsIgnored) {
  {
    SignalWatch watch;
    std::raise(SIGHUP);
    EXPECT_EQ(watch.take(), SignalRequest::kCheckpointAndStop);
    EXPECT_STREQ(SignalWatch::stop_signal_name(), "SIGHUP");
  }
  const auto before = std::signal(SIGHUP, SIG_IGN);  // as nohup does
  {
    SignalWatch watch;
    std::raise(SIGHUP);
    EXPECT_EQ(watch.take(), SignalRequest::kNone);
  }
  std::signal(SIGHUP, before);
}

TEST(Signals, AWatchWithinAnotherForgetsNothing) {
  SignalWatch outer;
  std::raise(SIGUSR1);
  {
    SignalWatch inner;
    EXPECT_EQ(inner.take(), SignalRequest::kCheckpointAndStop);
  }
  std::raise(SIGUSR2);  // would end this process if the inner watch had put the default back
  EXPECT_EQ(outer.take(), SignalRequest::kCheckpointAndStop);
}

/// How a process ends whose StopAtOnce sees this signal, as waitpid() says it.
int status_of_stop(int signal) {
  const pid_t child = fork();
  if (child == 0) {
    const SignalWatch watch;
    const StopAtOnce stop([] {});
    std::raise(signal);
    while (true) pause();
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST(Signals, StopAtOnceIsStoppedByUsrOneAndHangUpAndKilledByTerm) {
  for (const int signal : {SIGUSR1, SIGHUP}) {
    const int status = status_of_stop(signal);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 75);
  }
  const int status = status_of_stop(SIGTERM);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(Signals, ASecondTermEndsTheProcessAtOnce) {
  const pid_t child = fork();
  if (child == 0) {
    const SignalWatch watch;
    std::raise(SIGTERM);
    std::raise(SIGTERM);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

/// A folder with a run whose checkpoint is complete.
void make_run(const test::TempDir& dir) {
  make_directories((dir / "checkpoints/step-1").string());
  (void)dir.write("checkpoints/step-1/DONE", "old");
  (void)dir.write("config.resolved.json", "old");
  (void)dir.write("metrics.jsonl", "old");
}

TEST(RunDirectory, AStartThatFailsLeavesTheFolderAsItWas) {
  const test::TempDir dir;
  make_run(dir);
  {
    const RunDirectory run(dir.path(), RunMode::kOverwrite);
    (void)dir.write("metrics.jsonl", "new");
    (void)dir.write("train.log", "new");
  }
  EXPECT_EQ(read_file((dir / "metrics.jsonl").string()), "old");
  EXPECT_EQ(read_file((dir / "checkpoints/step-1/DONE").string()), "old");
  for (const char* name : {"train.log", "run.lock", ".replaced", ".moving"})
    EXPECT_FALSE(std::filesystem::exists(dir / name)) << name;
  { const RunDirectory run(dir / "new/deeper", RunMode::kFresh); }
  EXPECT_FALSE(std::filesystem::exists(dir / "new"));
}

TEST(RunDirectory, WhatIsDeletedUnderTheRunComesBack) {
  const test::TempDir dir;
  RunDirectory run(dir / "run", RunMode::kFresh);
  run.write("config.json", "mine");
  run.write("env.json", "here");
  run.restore_if_gone();
  for (const char* name : {"config.json", "run.lock"}) fs::remove(run.file(name));
  const test::LogCapture log;
  run.restore_if_gone();
  EXPECT_THAT(log.text(), testing::HasSubstr("files of the run were deleted or moved; put back: "
                                             "run.lock, config.json"));
  EXPECT_EQ(read_file(run.file("config.json").string()), "mine");
  EXPECT_THAT(message_of([&] { RunDirectory(dir / "run", RunMode::kResume); }),
              testing::HasSubstr("is in use by process"));
}

TEST(RunDirectory, AFolderInItsPlaceIsAnother) {
  const test::TempDir dir;
  RunDirectory run(dir / "run", RunMode::kFresh);
  run.write("config.json", "mine");
  EXPECT_FALSE(run.is_gone());
  fs::rename(dir / "run", dir / "aside");
  make_directories((dir / "run").string());
  EXPECT_TRUE(run.is_gone());
  EXPECT_THAT(message_of([&] { run.restore_if_gone(); }), testing::HasSubstr("is gone"));
  EXPECT_TRUE(fs::is_empty(dir / "run"));
}

TEST(RunDirectory, AMoveThatWasInterruptedIsTakenBack) {
  const test::TempDir dir;
  make_run(dir);
  make_directories((dir / ".moving").string());
  std::filesystem::rename(dir / "metrics.jsonl", dir / ".moving/metrics.jsonl");
  { const RunDirectory resumed(dir.path(), RunMode::kResume); }
  EXPECT_EQ(read_file((dir / "metrics.jsonl").string()), "old");
  EXPECT_EQ(read_file((dir / "checkpoints/step-1/DONE").string()), "old");
  EXPECT_FALSE(std::filesystem::exists(dir / ".moving"));
}

TEST(RunDirectory, AReplacedRunIsKeptUntilItIsDropped) {
  const test::TempDir dir;
  make_run(dir);
  {
    RunDirectory run(dir.path(), RunMode::kOverwrite);
    EXPECT_FALSE(std::filesystem::exists(dir / "checkpoints"));
    run.begin();
    (void)dir.write("metrics.jsonl", "new");
  }
  EXPECT_EQ(read_file((dir / ".replaced/metrics.jsonl").string()), "old");
  make_directories((dir / "checkpoints/step-2").string());
  (void)dir.write("checkpoints/step-2/DONE", "new");
  { RunDirectory(dir.path(), RunMode::kResume).begin(); }  // the new run has a checkpoint
  EXPECT_EQ(read_file((dir / "metrics.jsonl").string()), "new");
  EXPECT_FALSE(std::filesystem::exists(dir / ".replaced"));
}

TEST(RunDirectory, DroppingWhatIsReplacedLeavesTheNewRun) {
  const test::TempDir dir;
  make_run(dir);
  RunDirectory run(dir.path(), RunMode::kOverwrite);
  run.begin();
  (void)dir.write("metrics.jsonl", "new");
  run.drop_replaced();
  EXPECT_FALSE(std::filesystem::exists(dir / ".replaced"));
  EXPECT_EQ(read_file((dir / "metrics.jsonl").string()), "new");
}

}  // namespace
}  // namespace rela
