#include "runtime/io/hash.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/fnv1a.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

std::string sha256(const std::string& text) {
  Sha256 hash;
  hash.update(text.data(), static_cast<int64_t>(text.size()));
  return hash.hex();
}

uint64_t content(const std::string& text) {
  return content_hash(text.data(), static_cast<int64_t>(text.size()));
}
uint64_t fnv(const std::string& text) {
  Fnv1a64 hash;
  hash.update(text.data(), static_cast<int64_t>(text.size()));
  return hash.digest();
}

TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesOfAnySizeGiveTheDigestOfTheWhole) {
  for (const size_t bytes : {1, 55, 56, 57, 63, 64, 65, 119, 120, 121, 197}) {
    const std::string text(bytes, 'q');
    Sha256 hash;
    for (size_t at = 0, piece = 1; at < bytes; at += piece, ++piece) {
      hash.update(text.data() + at, static_cast<int64_t>(std::min(piece, bytes - at)));
      (void)hash.hex();  // does not disturb
    }
    EXPECT_EQ(hash.hex(), sha256(text)) << bytes;
  }
}

TEST(Sha256, OfAFileIsThatOfItsContents) {
  const test::TempDir dir;
  const std::string text(1'100'000, 'z');  // more than one piece
  EXPECT_EQ(sha256_file(dir.write("file", text)), sha256(text));
  EXPECT_EQ(sha256_file(dir.write("empty", "")), sha256(""));
}

TEST(ContentHash, GivesThePublishedDigests) {
  EXPECT_EQ(content(""), 0x2d06800538d394c2u);
  EXPECT_EQ(content("a"), 0xe6c632b61e964e1fu);
  EXPECT_EQ(content("abc"), 0x78af5f94892f3950u);
}

TEST(ContentHash, PiecesOfAnySizeGiveTheDigestOfTheWhole) {
  for (const size_t bytes : {0, 1, 16, 17, 240, 241, 1024, 1025, 5000}) {
    const std::string text(bytes, 'q');
    ContentHash hash;
    for (size_t at = 0, piece = 1; at < bytes; at += piece, piece *= 3) {
      hash.update(text.data() + at, static_cast<int64_t>(std::min(piece, bytes - at)));
      (void)hash.digest();  // does not disturb
    }
    EXPECT_EQ(hash.digest(), content(text)) << bytes;
  }
}

TEST(Fnv1a64, GivesThePublishedDigests) {
  EXPECT_EQ(fnv(""), 0xcbf29ce484222325u);
  EXPECT_EQ(fnv("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(fnv("foobar"), 0x85944171f73967e8u);
}

TEST(Hex, HasSixteenDigits) {
  EXPECT_EQ(to_hex(0), "0000000000000000");
  EXPECT_EQ(to_hex(0x0123456789abcdefu), "0123456789abcdef");
}

}  // namespace
}  // namespace rela
