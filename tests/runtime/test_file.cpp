#include "runtime/io/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>

#include "runtime/error.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

using test::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Limits the file size of this process: simulates a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ignore_file_size_signal();
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

std::vector<std::string> names_in(const TempDir& dir) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

template <class Body>
std::string io_error_of(Body body) {
  try {
    body();
  } catch (const IoError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kIo);
    return error.what();
  }
  return "nothing was thrown";
}

TEST(File, ComesBackAsItWasWritten) {
  const TempDir dir;
  for (const size_t bytes : {0, 1, 31, 32, 33, 197, 100'003}) {
    std::string contents(bytes, '\0');
    for (size_t i = 0; i < bytes; ++i) contents[i] = static_cast<char>(i * 7);
    write_file_atomic(dir / "file", contents);
    EXPECT_EQ(read_file(dir / "file"), contents);
  }
  EXPECT_THAT(names_in(dir), ElementsAre("file"));
}

TEST(File, ReadsAPieceAtItsOffset) {
  const TempDir dir;
  const InputFile file(dir.write("file", "0123456789"));
  std::string piece(4, '?');
  file.read_at(3, piece.data(), 4);
  EXPECT_EQ(piece, "3456");
  EXPECT_EQ(file.size(), 10);
}

TEST(File, ReadingPastTheEndSaysHowFarItGot) {
  const TempDir dir;
  const std::string path = dir.write("file", "0123456789");
  const InputFile file(path);
  char piece[8];
  EXPECT_EQ(io_error_of([&] { file.read_at(6, piece, 8); }),
            path + ": read 4 of 8 bytes at offset 6; the file ends there");
}

TEST(File, AMissingFileIsAnIoErrorWithItsName) {
  const TempDir dir;
  const std::string path = dir / "absent";
  EXPECT_EQ(io_error_of([&] { read_file(path); }),
            path + ": cannot open for reading (No such file or directory)");
}

TEST(File, AFolderIsNotAFile) {
  const TempDir dir;
  EXPECT_EQ(io_error_of([&] { read_file(dir.path()); }),
            dir.path().string() + ": not a regular file but a folder; name a file");
}

TEST(File, ADeviceIsNotAFile) {
  EXPECT_EQ(io_error_of([&] { read_file("/dev/null"); }),
            "/dev/null: not a regular file; name a file");
}

TEST(InOutFile, IsReadAndWrittenAtPlacesAndReplacesAnOlderOne) {
  const TempDir dir;
  const InputFile older(dir.write("file", "older"));
  InOutFile file = InOutFile::create(dir / "file", 8, "head");
  file.write_at(5, "abc", 3);
  file.sync();
  EXPECT_EQ(read_file(dir / "file"), std::string("head\0abc", 8));
  char kept[5];
  older.read_at(0, kept, 5);
  EXPECT_EQ(std::string(kept, 5), "older");
  InOutFile read_only(dir / "file", FileAccess::kRead);
  EXPECT_THAT(io_error_of([&] { read_only.write_at(0, "x", 1); }), HasSubstr("wrote 0 of 1 bytes"));
}

TEST(InOutFile, ADiskWithoutRoomIsNoticedAtOnce) {
  const TempDir dir;
  const FileSizeLimit limit(4096);
  EXPECT_THAT(io_error_of([&] { InOutFile::create(dir / "file", 10'000); }),
              HasSubstr("disk full: cannot reserve 10000 bytes"));
  EXPECT_THAT(names_in(dir), IsEmpty());
}

TEST(ReadFile, ALargerOneIsRefusedBeforeItIsRead) {
  const TempDir dir;
  const std::string path = dir.write("file", "text");
  EXPECT_EQ(read_file(path, 4), "text");
  std::filesystem::resize_file(path, int64_t{3} << 30);  // all of it holes
  EXPECT_EQ(io_error_of([&] { read_file(path); }),
            path +
                ": 3221225472 bytes, and it is read whole; at most 1073741824 are accepted: name "
                "another file, or move this one away");
}

TEST(ReadTextFile, ALargeFileIsSomethingElse) {
  const TempDir dir;
  const std::string path = dir.write("file", "text");
  EXPECT_EQ(read_text_file(path), "text");
  std::filesystem::resize_file(path, (16 << 20) + 1);
  EXPECT_EQ(io_error_of([&] { read_text_file(path); }),
            path + ": 16777217 bytes are too many for a file of text; name another file");
}

TEST(RemoveUnfinished, TakesOldTemporariesOfThatNameAndItsOwn) {
  const TempDir dir;
  const auto write = [&](const std::string& name, std::chrono::hours age) {
    std::filesystem::last_write_time(dir.write(name, ""),
                                     std::filesystem::file_time_type::clock::now() - age);
  };
  write("x.tmp-1-0", std::chrono::hours(1));
  write("x.tmp-2-0", std::chrono::hours(0));
  write(cat("x.tmp-", getpid(), "-7"), std::chrono::hours(0));
  write("x.tmp-a", std::chrono::hours(1));
  write("y.tmp-1-0", std::chrono::hours(1));
  remove_unfinished(dir / "x", std::chrono::minutes(10));
  EXPECT_THAT(names_in(dir), ElementsAre("x.tmp-2-0", "x.tmp-a", "y.tmp-1-0"));
}

TEST(MessageOf, AFailureOfTheFileSystemSaysWhereAndWhatToDo) {
  const std::filesystem::filesystem_error failure(
      "status", "a/b", std::make_error_code(std::errc::permission_denied));
  EXPECT_EQ(message_of(failure),
            "a/b: cannot be examined: Permission denied; check the path and its permissions");
  EXPECT_EQ(exit_code_of(failure), ExitCode::kIo);
}

TEST(AtomicFile, ALinkInACircleIsNamed) {
  const TempDir dir;
  const std::string link = dir / "link";
  std::filesystem::create_symlink(link, link);
  EXPECT_THAT(io_error_of([&] { check_writable(link); }), HasSubstr(link));
}

TEST(AtomicFile, WithoutCommitTheOldFileStaysAndNothingElse) {
  const TempDir dir;
  const std::string path = dir.write("file", "old");
  {
    AtomicFile file(path);
    file.write("new and longer");
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_THAT(names_in(dir), ElementsAre("file"));
}

TEST(AtomicFile, IsInvisibleUnderItsNameBeforeCommit) {
  const TempDir dir;
  const std::string path = dir / "file";
  AtomicFile file(path);
  file.write("all of it");
  EXPECT_FALSE(std::filesystem::exists(path));
  file.commit();
  EXPECT_EQ(read_file(path), "all of it");
}

TEST(AtomicFile, AFullDiskKeepsTheOldFileAndSaysWhatToDo) {
  const TempDir dir;
  const std::string path = dir.write("file", "old");
  const std::string contents(10'000, 'x');
  std::string message;
  {
    const FileSizeLimit limit(4096);
    message = io_error_of([&] { write_file_atomic(path, contents); });
  }
  EXPECT_EQ(message, path +
                         ": disk full: wrote 4096 of 10000 bytes (File too large); raise the file "
                         "size limit (ulimit -f) or choose another folder");
  EXPECT_EQ(read_file(path), "old");
  EXPECT_THAT(names_in(dir), ElementsAre("file"));
}

TEST(AtomicFile, AMissingFolderIsAnIoError) {
  const TempDir dir;
  const std::string path = dir / "no/such/file";
  EXPECT_EQ(io_error_of([&] { write_file_atomic(path, "x"); }),
            path + ": cannot create in this folder (No such file or directory)");
}

TEST(AtomicFile, ATargetThatIsAFolderIsAnIoErrorAndLeavesNothing) {
  const TempDir dir;
  make_directories(dir / "target/inside");
  EXPECT_THAT(io_error_of([&] { write_file_atomic(dir / "target", "x"); }),
              HasSubstr("target: is a directory; name a file"));
  EXPECT_THAT(names_in(dir), ElementsAre("target"));
}

TEST(AtomicFile, ReplacesWhatALinkPointsToAndNotTheLink) {
  const TempDir dir;
  const std::string path = dir.write("file", "old");
  std::filesystem::create_symlink(path, dir / "link");
  write_file_atomic(dir / "link", "new");
  EXPECT_EQ(read_file(path), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "link"));
  EXPECT_THAT(names_in(dir), ElementsAre("file", "link"));
}

TEST(AtomicFile, MakesWhatALinkPointsToIfItsFolderIsThere) {
  const TempDir dir;
  const fs::path link = dir / "link", chain = dir / "chain";
  fs::create_symlink("new", link);
  fs::create_symlink(link, chain);
  write_file_atomic(chain, "text");
  EXPECT_EQ(read_file(dir / "new"), "text");
  EXPECT_TRUE(fs::is_symlink(link));
  fs::remove(link);
  fs::create_symlink("nowhere/new", link);
  const std::string folder = dir / "nowhere";
  EXPECT_EQ(io_error_of([&] { check_writable(link); }),
            link.string() + ": is a link to " + folder + "/new, and there is no folder " + folder +
                "; make it, or name another file");
  EXPECT_TRUE(fs::is_symlink(link));
}

TEST(AtomicFile, ADeviceIsRefusedUnderTheNameThatWasGiven) {
  const TempDir dir;
  fs::create_symlink("/dev/null", dir / "link");
  EXPECT_EQ(io_error_of([&] { check_writable(dir / "link"); }),
            (dir / "link").string() + ": is a device, a pipe or a socket; name a file");
}

TEST(AtomicFile, NeverReplacesAPipe) {
  const TempDir dir;
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(io_error_of([&] { write_file_atomic(dir / "pipe", "x"); }),
              HasSubstr("pipe: is a device, a pipe or a socket; name a file"));
  EXPECT_TRUE(std::filesystem::is_fifo(dir / "pipe"));
  EXPECT_THAT(names_in(dir), ElementsAre("pipe"));
}

TEST(Directories, AreMadeWithTheirParentsAndRemovedWhole) {
  const TempDir dir;
  make_directories(dir / "a/b/c");
  make_directories(dir / "a/b/c");
  write_file_atomic(dir / "a/b/c/file", "x");
  sync_directory(dir / "a/b/c");
  remove_tree(dir / "a");
  remove_tree(dir / "a");
  EXPECT_THAT(names_in(dir), ElementsAre());
}

TEST(Directories, AFileInTheWayIsAnIoError) {
  const TempDir dir;
  const std::string path = dir.write("file", "x").string() + "/folder";
  EXPECT_EQ(
      io_error_of([&] { make_directories(path); }),
      path + ": cannot be made: " + (dir / "file").string() + " is no folder; name another one");
  EXPECT_EQ(io_error_of([&] { sync_directory(dir / "absent"); }),
            (dir / "absent").string() + ": cannot open the folder (No such file or directory)");
}

}  // namespace
}  // namespace rela
