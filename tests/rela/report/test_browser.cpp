// Renders the report as a reader sees it. Skipped if Chromium is not installed.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <sstream>

#include "rela/report/report.h"
#include "runtime/io/file.h"
#include "tests/rela/report/sample_run.h"

namespace rela {
namespace {

using test::TempDir;
using testing::HasSubstr;

std::optional<std::string> find_chromium() {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
      std::string program = folder + "/" + name;
      if (access(program.c_str(), X_OK) == 0) return program;
    }
  }
  return std::nullopt;
}

class Browser : public testing::Test {
 protected:
  void SetUp() override {
    const std::optional<std::string> found = find_chromium();
    if (!found) GTEST_SKIP() << "no chromium, chromium-browser or google-chrome in PATH";
    program_ = *found;
  }

  /// Runs the browser on a page and returns what it prints.
  std::string run(const std::string& flags, const std::filesystem::path& page) {
    const std::filesystem::path out = dir_ / "stdout.txt";
    const std::string command = fmt::format(
        "'{}' --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir='{}' {} "
        "'file://{}' >'{}' 2>'{}'",
        program_, (dir_ / "profile").string(), flags, page.string(), out.string(),
        (dir_ / "stderr.txt").string());
    EXPECT_EQ(std::system(command.c_str()), 0)  // NOLINT: every part is quoted and ours
        << read_file(dir_ / "stderr.txt");
    return read_file(out);
  }

  std::string screenshot(const std::filesystem::path& page) {
    const std::filesystem::path png = dir_ / (page.stem().string() + ".png");
    run(fmt::format("--window-size=1280,1600 --screenshot='{}'", png.string()), page);
    return read_file(png);
  }

  std::string sample_page() {
    dir_.write("metrics.jsonl", test::sample_metrics(4000));
    test::write_run_files(dir_, "running", 4000, 8000);
    return render_report(dir_.path());
  }

  TempDir dir_;

 private:
  std::string program_;
};

uint32_t big_endian(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

TEST_F(Browser, PaintsTheWholePage) {
  const std::string painted = screenshot(dir_.write("report.html", sample_page()));
  const std::string blank = screenshot(dir_.write("blank.html", "<!doctype html><body></body>"));
  ASSERT_GT(painted.size(), 24U);
  EXPECT_EQ(painted.substr(1, 3), "PNG");
  EXPECT_EQ(big_endian(painted, 16), 1280U);  // the header contains width, then height
  EXPECT_EQ(big_endian(painted, 20), 1600U);
  EXPECT_GT(painted.size(), 5 * blank.size());  // one colour compresses to next to nothing
}

/// Runs in the page and stores its findings as attributes of <body>.
constexpr const char* kProbe = R"(<script>
const charts = [...document.querySelectorAll('svg.chart')];
const box = charts[0].getBoundingClientRect();
charts[0].dispatchEvent(new PointerEvent('pointermove',
    { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }));
const tip = document.querySelector('.tip');
document.body.dataset.tip = tip ? tip.innerText.replace('\n', ' | ') : 'none';
document.body.dataset.small = charts.filter((c) => c.getBoundingClientRect().height < 100).length;
document.body.dataset.columns = new Set(charts.map((c) => Math.round(c.getBoundingClientRect().left))).size;
document.body.dataset.overflow = document.documentElement.scrollWidth > innerWidth;
</script>)";

TEST_F(Browser, LaysOutForWideAndNarrowScreensAndShowsValuesUnderThePointer) {
  const auto page = dir_.write("probe.html", sample_page() + kProbe);
  for (const auto& [width, columns] : {std::pair{1280, 2}, std::pair{520, 1}}) {
    const std::string dom = run(fmt::format("--window-size={},900 --dump-dom", width), page);
    EXPECT_THAT(dom, HasSubstr(fmt::format("data-columns=\"{}\"", columns)));
    EXPECT_THAT(dom, HasSubstr("data-overflow=\"false\""));
    EXPECT_THAT(dom, HasSubstr("data-small=\"0\""));
    EXPECT_THAT(dom, testing::ContainsRegex("data-tip=\"step 1,8[0-9]+ \\| loss, smoothed: 0\\.9"));
  }
}

}  // namespace
}  // namespace rela
