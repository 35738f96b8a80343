#include "rela/run/checkpoint_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "runtime/error.h"
#include "runtime/io/file.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using test::TempDir;

namespace fs = std::filesystem;

void fill_with(const fs::path& folder, const std::string& text) {
  write_file_atomic((folder / "model.safetensors").string(), text);
  write_file_atomic((folder / "state.json").string(), "{}");
}

class Checkpoints : public testing::Test {
 protected:
  void save(int64_t step) {
    store.save(step,
               [&](const fs::path& f) { fill_with(f, "weights of step " + std::to_string(step)); });
  }
  std::optional<CheckpointRef> newest() {
    warnings.clear();
    return store.newest(warnings);
  }

  TempDir dir;
  fs::path root = dir.path() / "checkpoints";
  CheckpointStore store{root, 2};
  std::vector<std::string> warnings;
};

TEST_F(Checkpoints, NoneIsFoundWhereThereIsNoFolder) { EXPECT_FALSE(newest().has_value()); }

TEST_F(Checkpoints, OneThatWasNotCompletedIsNone) {
  EXPECT_FALSE(has_checkpoint(root));
  for (const char* name : {"step-00000001", ".writing-step-00000002"}) {
    fs::create_directories(root / name);
    fill_with(root / name, "weights");
  }
  write_file_atomic((root / ".writing-step-00000002/DONE").string(), "{}");  // not renamed
  EXPECT_FALSE(has_checkpoint(root));
  save(3);
  EXPECT_TRUE(has_checkpoint(root));
}

TEST_F(Checkpoints, OneWhoseFolderIsEmptiedMeanwhileIsWrittenOnceMore) {
  int tries = 0;
  store.save(3, [&](const fs::path& folder) {
    if (++tries == 1) fs::remove_all(root);
    fill_with(folder, "weights");
  });
  EXPECT_EQ(tries, 2);
  EXPECT_EQ(newest()->step, 3);
  const auto fails = [](const fs::path&) { throw IoError("disk full"); };
  EXPECT_THROW(store.save(4, fails), IoError);  // at once
}

TEST_F(Checkpoints, TheNewestIsFoundAndOnlyTheLastOnesStay) {
  for (const int64_t step : {2, 4, 10}) save(step);
  const auto found = newest();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->step, 10);
  EXPECT_EQ(read_file((found->folder / "model.safetensors").string()), "weights of step 10");
  EXPECT_TRUE(fs::exists(root / "step-00000004"));
  EXPECT_FALSE(fs::exists(root / "step-00000002"));
  EXPECT_EQ(read_file((root / "latest").string()), "step-00000010\n");
}

TEST_F(Checkpoints, ATruncatedOneIsPassedOverWithAWarningThatNamesTheFile) {
  save(1);
  save(2);
  const fs::path file = root / "step-00000002" / "model.safetensors";
  fs::resize_file(file, fs::file_size(file) - 1);
  const auto found = newest();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->step, 1);
  EXPECT_THAT(warnings,
              testing::ElementsAre("checkpoint of step 2 is damaged: " + file.string() +
                                   " has 16 bytes, 17 were written; trying the one before it"));
}

TEST_F(Checkpoints, OneWhoseFilesAreSomethingElseIsPassedOver) {
  const auto make_folder = [](const fs::path& path) { fs::create_directory(path); };
  const auto make_loop = [](const fs::path& path) { fs::create_symlink(path, path); };
  using Make = std::function<void(const fs::path&)>;
  const std::vector<std::pair<std::string, Make>> damages{
      {"state.json", make_folder}, {"state.json", make_loop}, {"DONE", make_loop}};
  for (const auto& [file, make] : damages) {
    for (const int64_t step : {1, 2}) save(step);
    const fs::path path = root / "step-00000002" / file;
    fs::remove(path);
    make(path);
    std::vector<std::string> warnings;
    EXPECT_EQ(store.newest(warnings)->step, 1) << file;
    EXPECT_THAT(warnings, testing::ElementsAre(testing::HasSubstr(path.string())));
    fs::remove_all(root);
  }
}

TEST_F(Checkpoints, AChangedByteIsNoticed) {
  save(1);
  std::fstream(root / "step-00000001" / "model.safetensors", std::ios::in | std::ios::out).put('X');
  EXPECT_FALSE(newest().has_value());
  EXPECT_THAT(warnings,
              testing::ElementsAre(testing::HasSubstr("has changed since it was written")));
}

TEST_F(Checkpoints, OneWithoutItsDoneFileDoesNotCount) {
  save(1);
  save(2);
  fs::remove(root / "step-00000002" / "DONE");
  EXPECT_EQ(newest()->step, 1);
}

TEST_F(Checkpoints, AFailureWhileSavingLeavesTheEarlierOneAndNoTemporaryFolder) {
  save(1);
  EXPECT_THROW(store.save(2,
                          [](const fs::path& f) {
                            fill_with(f, "half");
                            throw IoError("disk full");
                          }),
               IoError);
  EXPECT_EQ(newest()->step, 1);
  int64_t entries = 0;
  for ([[maybe_unused]] const auto& e : fs::directory_iterator(root)) ++entries;
  EXPECT_EQ(entries, 2);  // step-00000001 and latest
}

TEST_F(Checkpoints, WhatAKilledProcessLeftIsRemovedWithTheNextOne) {
  make_directories((root / ".writing-step-00000003").string());
  save(7);
  EXPECT_FALSE(fs::exists(root / ".writing-step-00000003"));
  EXPECT_EQ(newest()->step, 7);
}

TEST_F(Checkpoints, AnAbandonedTemporaryFolderIsReplaced) {
  fs::create_directories(root / ".writing-step-00000003");
  write_file_atomic((root / ".writing-step-00000003" / "stale.safetensors").string(), "stale");
  save(3);
  EXPECT_EQ(newest()->step, 3);
  EXPECT_FALSE(fs::exists(root / "step-00000003" / "stale.safetensors"));
}

TEST_F(Checkpoints, AWholeOneOfTheSameStepIsKeptAndADamagedOneReplaced) {
  save(5);
  store.save(5, [](const fs::path&) { FAIL() << "must not be written again"; });
  fs::remove(root / "step-00000005" / "state.json");
  save(5);
  EXPECT_EQ(newest()->step, 5);
}

TEST_F(Checkpoints, WhatIsWrittenAfterGoingBackIsTheNewest) {
  for (const int64_t step : {2, 8}) save(step);
  EXPECT_TRUE(store.holds(root / "step-00000002"));
  EXPECT_TRUE(store.holds(root / "step-00000002/"));
  EXPECT_FALSE(store.holds(dir.path() / "step-00000002"));
  EXPECT_EQ(store.abandon_after(2), root / "abandoned-1");
  EXPECT_EQ(newest()->step, 2);
  EXPECT_EQ(read_file((root / "latest").string()), "step-00000002\n");
  for (const int64_t step : {3, 4, 5}) save(step);
  EXPECT_EQ(newest()->step, 5);
  EXPECT_FALSE(fs::exists(root / "step-00000003"));
  EXPECT_EQ(checkpoint_damage(root / "abandoned-1" / "step-00000008"), "");
  EXPECT_EQ(store.abandon_after(5), fs::path());
  EXPECT_EQ(store.abandon_after(-1), root / "abandoned-2");
  EXPECT_FALSE(newest().has_value());
  EXPECT_EQ(store.abandoned().size(), 2U);
}

TEST_F(Checkpoints, ACrashWhileTheOthersMoveDoesNotBringThemBack) {
  for (const int64_t step : {2, 8}) save(step);
  write_file_atomic((root / "branch").string(), "step-00000002\n");
  EXPECT_EQ(newest()->step, 2);
  fs::rename(root / "step-00000008", dir.path() / "step-00000008");
  store.abandon_after(2);
  save(4);
  EXPECT_EQ(newest()->step, 4);
}

}  // namespace
}  // namespace rela
