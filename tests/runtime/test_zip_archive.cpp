#include "runtime/io/zip_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/error.h"
#include "tests/support/temp_dir.h"
#include "tests/support/zip_bytes.h"

namespace rela {
namespace {

using test::crc_of;
using test::le;
using test::zip_bytes;
using test::zip_end;
using test::ZipMember;

constexpr int64_t kPlenty = 1 << 20;

/// A deflate stream, without zlib's header.
std::string deflated(const std::string& text) {
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

ZipMember packed(const std::string& name, const std::string& text) {
  return {.name = name,
          .data = deflated(text),
          .method = 8,
          .size = static_cast<int64_t>(text.size()),
          .crc = crc_of(text)};
}

std::string contents_of(const std::string& bytes, const std::string& name) {
  const test::TempDir dir;
  const InputFile file(dir.write("a.zip", bytes));
  const ZipArchive zip(file);
  const ZipEntry* entry = zip.find(name);
  return entry == nullptr ? "no such entry" : zip.read(*entry, kPlenty);
}

TEST(ZipArchive, ReadsStoredAndDeflatedEntries) {
  const std::string bytes = zip_bytes(
      {{.name = "a/b", .data = "hello"}, packed("long", std::string(5000, 'x')), {"empty"}});
  EXPECT_EQ(contents_of(bytes, "a/b"), "hello");
  EXPECT_EQ(contents_of(bytes, "long"), std::string(5000, 'x'));
  EXPECT_EQ(contents_of(bytes, "empty"), "");
  EXPECT_EQ(contents_of(bytes, "other"), "no such entry");
  EXPECT_EQ(contents_of(zip_bytes({packed("nothing", "")}), "nothing"), "");
}

TEST(ZipArchive, ReadsAnEmptyArchiveAndOneWithACommentThatLooksLikeAnEnd) {
  EXPECT_EQ(contents_of(zip_end(0, 0, 0), "x"), "no such entry");
  EXPECT_EQ(contents_of(zip_end(0, 0, 0, "PK\x05\x06" + std::string(30, '.')), "x"),
            "no such entry");
}

/// One stored entry whose sizes and offset are in ZIP64 fields, as beyond 4 GiB.
std::string zip64_bytes(const std::string& extra_sizes) {
  const std::string extra =
      le(9, 2) + le(2, 2) + "??" + le(1, 2) + le(extra_sizes.size(), 2) + extra_sizes;
  const ZipMember member{.name = "n",
                         .data = "data",
                         .size = 0xffffffff,
                         .packed = 0xffffffff,
                         .offset = 0xffffffff,
                         .extra = extra};
  std::string out = test::zip_header(member) + member.data;
  const size_t list_at = out.size();
  const std::string list = test::zip_listing(member, 0);
  out += list;
  const size_t end_at = out.size();
  out += "PK\x06\x06" + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 4) + le(0, 4) + le(1, 8) +
         le(1, 8) + le(list.size(), 8) + le(list_at, 8);
  out += "PK\x06\x07" + le(0, 4) + le(end_at, 8) + le(1, 4);
  return out + zip_end(0xffff, 0xffffffff, 0xffffffff);
}

TEST(ZipArchive, ReadsZip64) {
  EXPECT_EQ(contents_of(zip64_bytes(le(4, 8) + le(4, 8) + le(0, 8)), "n"), "data");
}

struct Hostile {
  const char* name;
  std::string bytes;
  const char* reason;  // a part of the message
};
void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.name; }

class HostileZip : public testing::TestWithParam<Hostile> {};

TEST_P(HostileZip, IsRefusedWithTheReason) {
  const test::TempDir dir;
  const InputFile file(dir.write("a.zip", GetParam().bytes));
  try {
    const ZipArchive zip(file);
    for (const ZipEntry& entry : zip.entries()) zip.read(entry, kPlenty);
    FAIL() << "no error";
  } catch (const WeightsError& error) {
    EXPECT_THAT(error.what(), testing::StartsWith(file.path() + ": "));
    EXPECT_THAT(error.what(), testing::HasSubstr(GetParam().reason));
  }
}

std::vector<Hostile> archives() {
  const ZipMember good{.name = "a", .data = "hello"};
  const std::string whole = zip_bytes({good, {.name = "b", .data = "world"}});
  return {
      {"NoEnd", whole.substr(0, whole.size() - 1), "without its list of contents"},
      {"TooManyEntriesSaid",
       test::zip_header(good) + good.data + test::zip_listing(good, 0) + zip_end(2, 47, 36),
       "the list of contents ends early"},
      {"TooFewEntriesSaid",
       test::zip_header(good) + good.data + test::zip_listing(good, 0) +
           test::zip_listing(good, 0) + zip_end(1, 94, 36),
       "47 bytes after the last of 1 entries"},
      {"ListBeyondTheEnd", zip_end(1, 46, 0),
       "the list of contents, 46 bytes at 0, is beyond its end at 0"},
      {"ListFarBeyond", zip_end(1, 0xfffffffe, 0xfffffffe), "are accepted"},
      {"HugeCount", zip_end(0xfffe, 46, 0), "is beyond its end"},
      {"SeveralDisks",
       [] {
         std::string end = zip_end(0, 0, 0);
         end[4] = 1;
         return end;
       }(),
       "an archive in several files"},
      {"NoZip64Locator", std::string(40, '.') + zip_end(0xffff, 0, 0),
       "the ZIP64 locator is missing"},
      {"NoRoomForZip64", zip_end(0xffff, 0, 0), "the ZIP64 locator"},
      {"Zip64FieldTooShort", zip64_bytes(le(4, 8)), "the ZIP64 field of entry \"n\" is too short"},
      {"Zip64SizeBeyondAnyFile", zip64_bytes(std::string(24, '\xff')), "is beyond any file"},
      {"Zip64SizeBeyondThisFile", zip64_bytes(le(1ull << 40, 8) + le(1ull << 40, 8) + le(0, 8)),
       "reaches into the list of contents"},
  };
}

std::vector<Hostile> members() {
  const std::string bomb_source(900'000, 'x');
  return {
      {"SameNameTwice", zip_bytes({{.name = "a"}, {.name = "a"}}), "entry \"a\" is there twice"},
      {"OverlappingEntries",
       zip_bytes({{.name = "a", .data = "hello"}, {.name = "a", .offset = 0}}),
       "begins at byte 0, inside the entry before it"},
      {"InsideAnother",
       zip_bytes(
           {{.name = "a", .data = test::zip_header({.name = "b"})}, {.name = "b", .offset = 31}}),
       "inside the entry before it"},
      {"NulInName", zip_bytes({{.name = std::string("a\0b", 3)}}), "holds a NUL byte"},
      {"EmptyName", zip_bytes({{.name = ""}}), "is empty or holds a NUL byte"},
      {"NotUtf8", zip_bytes({{.name = "\xff", .method = 99}}),
       "entry \"?\" is packed with method 99"},
      {"Encrypted", zip_bytes({{.name = "a", .flags = 1}}), "entry \"a\" is encrypted"},
      {"UnknownMethod", zip_bytes({{.name = "a", .method = 12}}), "is packed with method 12"},
      {"OtherNameInHeader", zip_bytes({{.name = "a", .local = "b"}}), "has another name"},
      {"HeaderElsewhere", zip_bytes({{.name = "a", .data = "hello", .offset = 3}}),
       "is not at byte 3"},
      {"HeaderBeyondTheFile", zip_bytes({{.name = "a", .offset = 1 << 30}}),
       "is beyond the file's"},
      {"DataBeyondTheList", zip_bytes({{.name = "a", .data = "x", .size = 500, .packed = 500}}),
       "reaches into the list of contents"},
      {"StoredWithTwoSizes", zip_bytes({{.name = "a", .data = "x", .size = 2}}),
       "is stored in 1 bytes and has 2"},
      {"WrongChecksum", zip_bytes({{.name = "a", .data = "x", .crc = 1}}), "fails its checksum"},
      {"DeflatedWrongChecksum",
       [] {
         auto m = packed("a", "xyz");
         m.crc = 0;
         return zip_bytes({m});
       }(),
       "fails its checksum"},
      {"NotDeflate", zip_bytes({{.name = "a", .data = "\xff\xff\xff", .method = 8, .size = 9}}),
       "cannot be unpacked"},
      {"DeflatedLonger",
       [] {
         auto m = packed("a", "xyz");
         m.size = 2;
         return zip_bytes({m});
       }(),
       "cannot be unpacked"},
      {"DeflatedShorter",
       [] {
         auto m = packed("a", "xyz");
         m.size = 4;
         return zip_bytes({m});
       }(),
       "cannot be unpacked"},
      {"Bomb",
       [&] {
         auto m = packed("a", bomb_source);
         m.size = 1'000'000;
         m.data = m.data.substr(0, 400);
         return zip_bytes({m});
       }(),
       "is said to have 1000000 bytes in 400"},
      {"BeyondTheLimit", zip_bytes({packed("a", std::string(kPlenty + 1, 'x'))}), "are accepted"},
  };
}

const auto kName = [](const testing::TestParamInfo<Hostile>& info) { return info.param.name; };
INSTANTIATE_TEST_SUITE_P(Archives, HostileZip, testing::ValuesIn(archives()), kName);
INSTANTIATE_TEST_SUITE_P(Members, HostileZip, testing::ValuesIn(members()), kName);

TEST(ZipArchive, AStoredEntryWithoutAChecksumIsRead) {
  EXPECT_EQ(contents_of(zip_bytes({{.name = "a", .data = "x", .crc = 0}}), "a"), "x");
}

}  // namespace
}  // namespace rela
