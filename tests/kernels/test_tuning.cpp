// Choosing among a library's algorithms for a call, with a fake clock.

#include "kernels/libraries/tuning/tuning.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "kernels/libraries/tuning/product_algorithm.h"
#include "kernels/simt/error.h"
#include "tests/support/temp_dir.h"

namespace rela::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const ChoiceOwner kOwner{"NVIDIA H100", "cuDNN 9.19.0"};

class PlanChoice : public testing::Test {
 protected:
  PlanChoice() {
    tuning().warn = [this](const std::string& text) { warnings_.push_back(text); };
  }
  ~PlanChoice() override { tuning() = Tuning{}; }

  std::string folder() const { return folder_.path() / "rela"; }
  ChoiceFile open() const { return {folder(), kOwner}; }
  /// Algorithms "a", "b", ... with these times; empty for an algorithm that cannot run.
  RankedAlgorithms algorithms(const std::vector<std::optional<float>>& times) {
    RankedAlgorithms all;
    for (size_t i = 0; i < times.size(); ++i) all.names.emplace_back(1, static_cast<char>('a' + i));
    all.milliseconds = [this, times](size_t algorithm) {
      measured_.push_back(algorithm);
      return times.at(algorithm);
    };
    return all;
  }
  std::string content() const {
    std::ifstream file(open().path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void overwrite(const std::string& text) const {
    std::ofstream(open_path_, std::ios::binary) << text;
  }

  TempDir folder_;
  std::string open_path_ = ChoiceFile((folder_.path() / "rela").string(), kOwner).path();
  std::vector<std::string> warnings_;
  std::vector<size_t> measured_;
};

TEST_F(PlanChoice, IsTheFastestOfTheFirstFew) {
  std::vector<std::optional<float>> times(kMeasuredAlgorithms, 3.0f);
  times[1] = times[2] = 2.0f;  // a tie goes to the better rank
  times.push_back(1.0f);
  ChoiceFile file = open();
  EXPECT_EQ(choose_algorithm("call", algorithms(times), file), 1u);
  EXPECT_EQ(measured_.size(), kMeasuredAlgorithms);
}

TEST_F(PlanChoice, AlgorithmsThatCannotRunLeaveTheirPlacesToOthers) {
  std::vector<std::optional<float>> times(kMeasuredAlgorithms + 3, std::nullopt);
  times.back() = 1.0f;
  ChoiceFile file = open();
  EXPECT_EQ(choose_algorithm("call", algorithms(times), file), times.size() - 1);

  measured_.clear();
  const std::vector<std::optional<float>> refused(2 * kTriedAlgorithms, std::nullopt);
  EXPECT_EQ(choose_algorithm("another", algorithms(refused), file), 0u);
  EXPECT_EQ(measured_.size(), kTriedAlgorithms);
}

TEST_F(PlanChoice, MeasuringIsAnnouncedOnceAndOnlyWhenThereIsAny) {
  std::vector<std::string> lines;
  tuning().inform = [&](const std::string& text) { lines.push_back(text); };
  tuning().folder = "/cache/rela";
  ChoiceFile file = open();
  file.put("known", "a");
  choose_algorithm("known", algorithms({1.0f}), file);
  EXPECT_THAT(lines, IsEmpty());
  choose_algorithm("one", algorithms({1.0f}), file);
  choose_algorithm("two", algorithms({1.0f}), file);
  EXPECT_THAT(lines, ElementsAre(AllOf(HasSubstr("measuring"), HasSubstr("/cache/rela"))));
}

TEST(MeasuringProgress, IsToldEveryThreeSeconds) {
  using std::chrono::milliseconds;
  const MeasuringProgress::Clock::time_point start{};
  MeasuringProgress progress;
  EXPECT_THAT(progress.before_call(start, ""), HasSubstr("set RELA_CACHE_DIR"));
  EXPECT_EQ(progress.before_call(start + milliseconds(2900), ""), "");
  EXPECT_EQ(progress.before_call(start + milliseconds(3100), ""),
            "measured the algorithms of 2 calls in 3 s");
  EXPECT_EQ(progress.before_call(start + milliseconds(6000), ""), "");
}

TEST_F(PlanChoice, IsMeasuredOnceAndKeptForLaterProcesses) {
  {
    ChoiceFile file = open();
    choose_algorithm("call", algorithms({3.0f, 2.0f}), file);
    EXPECT_EQ(choose_algorithm("call", algorithms({1.0f, 2.0f}), file), 1u);
  }
  ChoiceFile later = open();
  EXPECT_EQ(choose_algorithm("call", algorithms({1.0f, 2.0f}), later), 1u);
  EXPECT_EQ(measured_.size(), 2u);
  EXPECT_EQ(choose_algorithm("another call", algorithms({1.0f, 2.0f}), later), 0u);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(PlanChoice, IsTheFirstWhereNothingCouldBeMeasuredAndIsNotKept) {
  ChoiceFile file = open();
  EXPECT_EQ(choose_algorithm("call", algorithms({std::nullopt, std::nullopt}), file), 0u);
  EXPECT_EQ(file.find("call"), std::nullopt);
  EXPECT_EQ(choose_algorithm("call", algorithms({std::nullopt, 9.0f}), file), 1u);
  EXPECT_EQ(choose_algorithm("nothing", algorithms({}), file), 0u);
}

TEST_F(PlanChoice, IsMeasuredAnewWhenTheLibraryNoLongerProposesIt) {
  ChoiceFile file = open();
  file.put("call", "z");
  EXPECT_EQ(choose_algorithm("call", algorithms({3.0f, 2.0f}), file), 1u);
  EXPECT_EQ(file.find("call"), "b");
}

TEST_F(PlanChoice, FileSaysWhomItIsFor) {
  ChoiceFile file = open();
  file.put("second", "b");
  file.put("first", "a");
  EXPECT_EQ(file.path(), folder() + "/cuDNN-9.19.0-NVIDIA-H100.plans");
  EXPECT_THAT(content(), testing::StartsWith("rela plan choices 2\ndevice NVIDIA H100\nlibrary "
                                             "cuDNN 9.19.0\nfirst\ta\nsecond\tb\nchecksum "));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder()), {}), 1);
}

TEST_F(PlanChoice, FileKeepsWhatTwoProcessesAdd) {
  ChoiceFile one = open();
  ChoiceFile other = open();
  one.put("one", "a");
  other.put("other", "b");
  EXPECT_EQ(open().find("one"), "a");
  EXPECT_EQ(open().find("other"), "b");
}

TEST_F(PlanChoice, ADamagedFileIsIgnoredWithAWarningAndReplaced) {
  open().put("call", "b");
  const std::string good = content();
  std::string flipped = good;
  flipped[good.find("\tb") + 1] = 'a';
  for (const std::string& bad : {flipped, good.substr(0, good.size() / 2), std::string("x")}) {
    warnings_.clear();
    overwrite(bad);
    ChoiceFile file = open();
    EXPECT_EQ(file.find("call"), std::nullopt);
    EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr(file.path() + " is damaged"),
                                             HasSubstr("measured anew"))));
    file.put("call", "c");
    EXPECT_EQ(open().find("call"), "c");
  }
}

TEST_F(PlanChoice, AFileOfAnotherDeviceOrLibraryIsIgnoredWithAWarning) {
  for (const ChoiceOwner& other :
       {ChoiceOwner{"NVIDIA A100", kOwner.library}, ChoiceOwner{kOwner.device, "cuDNN 9.8.0"}}) {
    warnings_.clear();
    ChoiceFile foreign(folder(), other);
    foreign.put("call", "b");
    std::filesystem::rename(foreign.path(), open_path_);
    EXPECT_EQ(open().find("call"), std::nullopt);
    EXPECT_THAT(warnings_, ElementsAre(HasSubstr("was written for another device or library")));
  }
}

/// Its choices have other names, which would stay unknown.
TEST_F(PlanChoice, AFileOfAnotherVersionIsMeasuredAnew) {
  const std::string lines = "\ndevice NVIDIA H100\nlibrary cuDNN 9.19.0\ncall\tb\nchecksum ";
  std::filesystem::create_directories(folder());
  overwrite("rela plan choices 1" + lines + "db48134949376546\n");
  ChoiceFile file = open();
  EXPECT_EQ(choose_algorithm("call", algorithms({2.0f, 3.0f}), file), 0u);
  EXPECT_THAT(measured_, ElementsAre(0, 1));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("was written by another version of rela"),
                                     HasSubstr("was written by another version of rela")));
  EXPECT_THAT(content(), testing::StartsWith("rela plan choices 2\n"));
  EXPECT_EQ(open().find("call"), "a");
}

TEST_F(PlanChoice, GoesOnWhereTheFileCannotBeWritten) {
  std::ofstream(folder_.path() / "rela") << "a file where the folder should be";
  ChoiceFile file = open();
  EXPECT_EQ(choose_algorithm("call", algorithms({3.0f, 2.0f}), file), 1u);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("cannot be written")));
  EXPECT_EQ(file.find("call"), "b");
}

TEST_F(PlanChoice, AFileWithoutAFolderIsNone) {
  ChoiceFile file("", kOwner);
  file.put("call", "b");
  EXPECT_EQ(file.find("call"), "b");
  EXPECT_EQ(ChoiceFile("", kOwner).find("call"), std::nullopt);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(PlanChoice, AFileMayBeUsedByManyThreads) {
  ChoiceFile file("", kOwner);
  std::vector<std::thread> threads;
  for (const char* name : {"a", "b", "c", "d"}) {
    threads.emplace_back([&file, name] {
      for (int i = 0; i < 4000; ++i) {
        const std::string key = name + std::to_string(i);
        file.put(key, name);
        EXPECT_EQ(file.find(key), name);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_EQ(file.find(name + std::string("0")), name);
}

/// Choosing between a product's two algorithms by their times.
class ProductChoice : public PlanChoice {
 protected:
  ProductAlgorithm choose(ChoiceFile& file, std::optional<float> fused,
                          std::optional<float> tiled) {
    return choose_product_algorithm(
        "top-k",
        [&](ProductAlgorithm algorithm) {
          measured_.push_back(static_cast<size_t>(algorithm));
          return algorithm == ProductAlgorithm::kFused ? fused : tiled;
        },
        file);
  }
};

TEST_F(ProductChoice, IsTheFasterWayAndKept) {
  ChoiceFile file = open();
  EXPECT_EQ(choose(file, 3.0f, 2.0f), ProductAlgorithm::kTiled);
  EXPECT_EQ(file.find("top-k"), "cuBLASLt tiles");
  ChoiceFile later = open();
  EXPECT_EQ(choose(later, 1.0f, 2.0f), ProductAlgorithm::kTiled);
  EXPECT_THAT(measured_, ElementsAre(0, 1));
}

TEST_F(ProductChoice, IsTheFusedKernelWhereThatIsFasterOrAsFast) {
  for (const float tiled : {2.0f, 3.0f}) {
    ChoiceFile file("", kOwner);
    EXPECT_EQ(choose(file, 2.0f, tiled), ProductAlgorithm::kFused);
    EXPECT_EQ(file.find("top-k"), "fused kernel");
  }
}

TEST_F(ProductChoice, IsTheWayThatRanWhereTheOtherCouldNot) {
  ChoiceFile no_memory("", kOwner), refused("", kOwner), neither("", kOwner);
  EXPECT_EQ(choose(no_memory, std::nullopt, 2.0f), ProductAlgorithm::kTiled);
  const ProductTimer only_fused = [](ProductAlgorithm algorithm) -> std::optional<float> {
    if (algorithm == ProductAlgorithm::kTiled) throw simt::Error("no algorithm");
    return 2.0f;
  };
  EXPECT_EQ(choose_product_algorithm("gram", only_fused, refused), ProductAlgorithm::kFused);
  EXPECT_EQ(refused.find("gram"), "fused kernel");
  EXPECT_EQ(choose(neither, std::nullopt, std::nullopt), ProductAlgorithm::kFused);
  EXPECT_EQ(neither.find("top-k"), std::nullopt);
}

/// Sets environment variables while it lives.
class Environment {
 public:
  Environment(const char* chosen, const char* cache, const char* home) {
    set("RELA_CACHE_DIR", chosen);
    set("XDG_CACHE_HOME", cache);
    set("HOME", home);
  }
  ~Environment() {
    for (const auto& [name, value] : before_) assign(name, value ? value->c_str() : nullptr);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  void set(const char* name, const char* value) {
    const char* old = std::getenv(name);
    before_.emplace_back(name, old ? std::optional<std::string>(old) : std::nullopt);
    assign(name, value);
  }
  static void assign(const char* name, const char* value) {
    value == nullptr ? unsetenv(name) : setenv(name, value, 1);
  }
  std::vector<std::pair<const char*, std::optional<std::string>>> before_;
};

TEST(PlanChoiceFolder, IsChosenOrInTheUsersCache) {
  const auto folder = [](const char* chosen, const char* cache, const char* home) {
    const Environment environment(chosen, cache, home);
    return Tuning::default_choice_folder();
  };
  EXPECT_EQ(folder("/chosen", "/cache", "/at-home"), "/chosen");
  EXPECT_EQ(folder(nullptr, "/cache", "/at-home"), "/cache/rela");
  EXPECT_EQ(folder("", "", "/at-home"), "/at-home/.cache/rela");
  EXPECT_EQ(folder(nullptr, nullptr, nullptr), "");
}

}  // namespace
}  // namespace rela::test
