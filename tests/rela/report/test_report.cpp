#include "rela/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rela/run/metrics_log.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "tests/rela/report/sample_run.h"

namespace rela {
namespace {

using test::sample_metrics;
using test::TempDir;
using test::write_run_files;
using testing::HasSubstr;
using testing::Not;

int count(const std::string& page, std::string_view part) {
  int found = 0;
  for (size_t at = page.find(part); at != std::string::npos; at = page.find(part, at + 1)) ++found;
  return found;
}

TEST(Report, ShowsAFinishedRun) {
  const TempDir dir;
  dir.write("metrics.jsonl", sample_metrics(4000));
  write_run_files(dir, "finished", 4000, 4000);
  const std::string page = render_report(dir.path());
  for (const char* part :
       {"finished</span>", "<b>byol</b>", "resnet18, width 16", "<b>4,000</b>", "of 4,000",
        "width:100.0%", "80.00%", "1/√512", "resumed", "backbone.width",
        "augmentations.0.crop_scale", "[0.2,1.0]", "some cpu"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  EXPECT_EQ(count(page, "<svg"), 8);
  EXPECT_EQ(count(page, "no data yet"), 0);
}

TEST(Report, NeedsNothingFromOutside) {
  const TempDir dir;
  dir.write("metrics.jsonl", sample_metrics(400));
  write_run_files(dir, "running", 400, 4000);
  const std::string page = render_report(dir.path());
  // The SVG namespace is a name, not an address to fetch.
  EXPECT_EQ(count(page, "http"), count(page, "http://www.w3.org/2000/svg"));
  for (const char* part : {"<link", "src=", "@import", "url("})
    EXPECT_EQ(count(page, part), 0) << part;
}

TEST(Report, NeverRunsWhatAFileSays) {
  const TempDir dir;
  dir.write("metrics.jsonl",
            R"({"event":"warning","step":1,"message":"<img src=x onerror=alert(1)>"})"
            "\n"
            R"({"event":"eval","step":1,"protocol":"<b>knn","top1":0.5})"
            "\n"
            R"({"event":"train","step":1,"phase":"<i>byol","loss":1})"
            "\n");
  write_run_files(dir, "<u>odd", 1, 2);
  const std::string page = render_report(dir.path());
  for (const char* part : {"<script>alert", "<img", "<b>knn", "<i>byol", "<u>odd"})
    EXPECT_THAT(page, Not(HasSubstr(part)));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

TEST(Report, NamesThePhaseThatASwitchBegan) {
  const TempDir dir;
  MetricsLog metrics(dir.path() / "metrics.jsonl", 0, 0);
  metrics.write(10, 0, TrainEvent{.phase = "rela", .loss = 1});
  metrics.write(10, 0, PhaseSwitchEvent{.phase = "byol", .slow = 1, .fast = 1, .rho = 1});
  metrics.write(20, 0, TrainEvent{.phase = "byol", .loss = 2});
  const std::string page = render_report(dir.path());
  EXPECT_EQ(count(page, ">byol</text>"), 1) << "in the charts that have data";
  EXPECT_THAT(page, HasSubstr("<td>phase_switch</td><td class=\"number\">10</td>"));
  EXPECT_THAT(page, HasSubstr("<td>byol</td></tr>"));
}

TEST(Report, TellsHowFarARunningOneIs) {
  const TempDir dir;
  dir.write("metrics.jsonl", sample_metrics(1000));
  write_run_files(dir, "running", 1000, 4000);
  const std::string page = render_report(dir.path());
  EXPECT_THAT(page, HasSubstr("running</span>"));
  EXPECT_THAT(page, HasSubstr("of 4,000, 7 min 00 s left then"));  // 140 s for a quarter
  EXPECT_THAT(page, HasSubstr("width:25.0%"));
}

TEST(Report, SaysWhenARunWasRunning) {
  const TempDir dir;
  dir.write("status.json", R"({"state":"running","step":1,"total_steps":2,"time":86400.5})");
  std::string page = render_report(dir.path());
  EXPECT_THAT(page, HasSubstr("running on 1970-01-02 at 00:00 UTC</span>"));
  EXPECT_EQ(count(page, "not evaluated yet"), 2);
  dir.write("status.json", R"({"state":"failed","step":1,"total_steps":2,"message":"disk full"})");
  page = render_report(dir.path());
  EXPECT_THAT(page, HasSubstr("failed</span><p>disk full</p>"));
  EXPECT_EQ(count(page, "not evaluated yet"), 0);
  EXPECT_EQ(count(page, " left then"), 0);
}

TEST(Report, AWaitTooShortToMatterIsNone) {
  const TempDir dir;
  dir.write("metrics.jsonl", "{\"event\":\"train\",\"step\":1,\"loss\":1,\"data_wait\":8.9e-7}\n");
  EXPECT_THAT(render_report(dir.path()), HasSubstr("waiting <em>0%"));
}

TEST(Report, OfAKilledRunSaysWhatIsTorn) {
  const TempDir dir;
  dir.write("metrics.jsonl", "junk\n" + sample_metrics(100) + R"({"event":"train","step":11)");
  dir.write("env.json", R"({"cpu":)");
  const std::string page = render_report(dir.path());
  EXPECT_THAT(page, HasSubstr("unfinished</span>"));
  EXPECT_THAT(page, HasSubstr("the last line of metrics.jsonl is torn"));
  EXPECT_THAT(page,
              HasSubstr("lines of metrics.jsonl that are not events: 1, the first is line 1"));
  EXPECT_THAT(page, HasSubstr("env.json is not complete JSON"));
}

TEST(Report, OfAnEmptyFolderIsAWholePage) {
  const TempDir dir;
  for (const char* metrics : {"", "\n"}) {
    const std::string page = render_report(dir.path());
    EXPECT_THAT(page, HasSubstr("not started</span>"));
    EXPECT_EQ(count(page, "no data yet"), 8);
    EXPECT_THAT(page, testing::EndsWith("</html>\n"));
    dir.write("metrics.jsonl", metrics);
  }
}

TEST(Report, LeavesGapsForValuesThatAreNotNumbers) {
  const TempDir dir;
  std::string metrics;
  for (int step = 1; step <= 5; ++step) {
    metrics += fmt::format(R"({{"event":"train","step":{},"loss":{},"lr":"inf"}})"
                           "\n",
                           step, step == 3 ? "\"nan\"" : "1.5");
  }
  dir.write("metrics.jsonl", metrics);
  const std::string page = render_report(dir.path());
  EXPECT_EQ(count(page, "no data yet"), 7);
  EXPECT_THAT(page, Not(HasSubstr("nan ")));
  EXPECT_THAT(page, HasSubstr("<b>1.5</b>"));
}

TEST(Report, StaysSmallForALongRun) {
  const TempDir dir;
  dir.write("metrics.jsonl", sample_metrics(400'000));
  EXPECT_LT(render_report(dir.path()).size(), 800'000U);
}

TEST(Report, IsWrittenBesideItsRun) {
  const TempDir dir;
  write_report(dir.path());
  EXPECT_EQ(read_file(dir / "report.html"), render_report(dir.path()));
  EXPECT_THROW(write_report(dir / "missing"), IoError);
}

}  // namespace
}  // namespace rela
