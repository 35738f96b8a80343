// Decoders against Pillow, and against files that are not what they claim to be.
#include "rela/data/images/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>

#include "runtime/error.h"
#include "runtime/io/file.h"
#include "tests/support/golden_images.h"
#include "tests/support/shared_data.h"

namespace rela {
namespace {

namespace fs = std::filesystem;
using test::golden_picture;
using test::golden_pictures;
using test::golden_tensor;

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

struct Picture {
  ImageDims dims, full;
  double scale = 1;
  std::vector<uint8_t> pixels;
};

Picture decode(const std::string& file, const UsefulScale& useful = {}) {
  std::vector<uint8_t> buffer;
  const DecodedImage image = decode_image(bytes_of(file), buffer, useful);
  const auto size = 3 * image.pixels.dims.height * image.pixels.dims.width;
  return {image.pixels.dims,
          image.full,
          image.scale,
          {image.pixels.pixels, image.pixels.pixels + size}};
}

TEST(Decode, EveryKindOfFileHasPillowsPixels) {
  int count = 0;
  for (const std::string& name : golden_pictures()) {
    const auto want = golden_tensor("decode/" + name);
    const Picture got = decode(golden_picture(name));
    EXPECT_EQ(got.dims.height, want.shape[0]) << name;
    EXPECT_EQ(got.dims.width, want.shape[1]) << name;
    EXPECT_TRUE(got.pixels == want.values) << name;
    ++count;
  }
  EXPECT_EQ(count, 28);
}

TEST(Decode, ALargeBufferIsNotShrunkNorClearedByASmallPicture) {
  std::vector<uint8_t> buffer(100'000, 7);
  decode_image(bytes_of(golden_picture("rgb.png")), buffer);
  EXPECT_EQ(buffer.size(), 100'000U);
  EXPECT_EQ(buffer.back(), 7);
}

TEST(Decode, AJpegIsReducedNoFurtherThanIsUseful) {
  const std::string file = golden_picture("larger.jpg");  // 96 x 64
  const Picture whole = decode(file);
  for (const auto& [useful, scale] : {std::pair{1.0, 1.0},
                                      {0.51, 1.0},
                                      {0.5, 0.5},
                                      {0.3, 0.5},
                                      {0.25, 0.25},
                                      {0.13, 0.25},
                                      {0.125, 0.125},
                                      {0.01, 0.125}}) {
    const Picture small = decode(file, [&, useful = useful](ImageDims full) {
      EXPECT_EQ(full.height, 64);
      EXPECT_EQ(full.width, 96);
      return useful;
    });
    EXPECT_EQ(small.scale, scale);
    EXPECT_EQ(small.full.width, 96);
    ASSERT_EQ(small.dims.height, std::lround(64 * scale));
    ASSERT_EQ(small.dims.width, std::lround(96 * scale));
    // About the mean of the pixels that each one stands for.
    const auto side = std::lround(1 / scale);
    double miss = 0;
    for (int64_t y = 0; y < small.dims.height; ++y) {
      for (int64_t x = 0; x < small.dims.width; ++x) {
        double mean = 0;
        for (int64_t i = 0; i < side * side; ++i) {
          mean += whole.pixels[static_cast<size_t>(
              3 * ((y * side + i / side) * 96 + x * side + i % side))];
        }
        mean /= static_cast<double>(side * side);
        miss += std::abs(mean - small.pixels[static_cast<size_t>(3 * (y * small.dims.width + x))]);
      }
    }
    EXPECT_LT(miss / static_cast<double>(small.dims.height * small.dims.width), 4) << scale;
  }
}

TEST(Decode, ATurnedJpegIsAskedForItsUprightSize) {
  const Picture small = decode(golden_picture("turned_6.jpg"), [](ImageDims full) {
    EXPECT_EQ(full.height, 23);
    EXPECT_EQ(full.width, 17);
    return 0.5;
  });
  EXPECT_EQ(small.dims.height, 12);
  EXPECT_EQ(small.dims.width, 9);
  EXPECT_EQ(small.full.height, 23);
}

std::string complaint(const std::string& file) {
  try {
    decode(file);
  } catch (const DataError& e) {
    return e.what();
  }
  return "";
}

TEST(Decode, WhatIsNoPictureIsNamed) {
  EXPECT_EQ(complaint(""), "the file is empty; JPEG, PNG and WebP can be read");
  EXPECT_EQ(complaint("GIF89a...."), "a GIF; JPEG, PNG and WebP can be read");
  EXPECT_EQ(complaint("<!DOCTYPE html>"), "an HTML or XML file; JPEG, PNG and WebP can be read");
  EXPECT_EQ(complaint("hello"), "not a picture that is known here; JPEG, PNG and WebP can be read");
}

/// Bytes of a JPEG that say how large it is, overwritten.
std::string resized_header(std::string jpeg, int height, int width) {
  for (size_t at = 2; at + 9 < jpeg.size();) {
    const auto marker = static_cast<uint8_t>(jpeg[at + 1]);
    if (marker == 0xc0) {
      for (const auto& [place, value] : {std::pair{at + 5, height}, {at + 7, width}}) {
        jpeg[place] = static_cast<char>(value >> 8);
        jpeg[place + 1] = static_cast<char>(value & 255);
      }
      return jpeg;
    }
    at += 2 + static_cast<uint8_t>(jpeg[at + 2]) * 256U + static_cast<uint8_t>(jpeg[at + 3]);
  }
  ADD_FAILURE() << "no frame header";
  return jpeg;
}

TEST(Decode, AHeaderThatAsksForGigabytesGetsNone) {
  EXPECT_THAT(complaint(resized_header(golden_picture("rgb.jpg"), 65000, 65000)),
              testing::StartsWith("a picture of 65000 x 65000 pixels; at most 178956970 are "));
}

TEST(Decode, AFileCutAnywhereIsAnErrorOrComplete) {
  for (const std::string& name : golden_pictures()) {
    const std::string file = golden_picture(name);
    const auto want = golden_tensor("decode/" + name).values;
    size_t refused = 0;
    for (size_t size = 0; size < file.size(); ++size) {
      try {
        const Picture got = decode(file.substr(0, size));
        // Of what may be missing: texts behind the pixels, a later frame, the end marker.
        if (!name.ends_with("animated.webp") && !name.starts_with("turned")) {
          EXPECT_TRUE(got.pixels == want) << name << " cut to " << size;
        }
      } catch (const DataError& e) {
        ++refused;
        ASSERT_STRNE(e.what(), "") << name;
      }
    }
    EXPECT_GE(refused, file.size() / 3) << name;
  }
}

TEST(Decode, FlippedBitsNeverDoMoreThanThrow) {
  std::mt19937 random(1);
  for (const std::string& name : golden_pictures()) {
    const std::string whole = golden_picture(name);
    for (int trial = 0; trial < 200; ++trial) {
      std::string file = whole;
      for (int flips = 1 + trial % 4; flips > 0; --flips) {
        file[random() % file.size()] ^= static_cast<char>(1U << (random() % 8));
      }
      try {
        decode(file, [&](ImageDims) { return trial % 2 == 0 ? 1.0 : 0.2; });
      } catch (const DataError& e) {
        ASSERT_STRNE(e.what(), "");
      }
    }
  }
}

TEST(Decode, EveryDifficultFileDoesWhatItsListExpects) {
  const auto folder = test::shared_data("nasty");
  if (!folder) GTEST_SKIP() << test::missing_shared_data("nasty");
  std::istringstream lines(read_file((*folder / "MANIFEST.tsv").string()));
  std::string line;
  std::getline(lines, line);
  int accepted = 0, refused = 0, absent = 0;
  while (std::getline(lines, line)) {
    std::istringstream cells(line);
    std::string name, size, hash, expect;
    std::getline(cells, name, '\t');
    std::getline(cells, size, '\t');
    std::getline(cells, hash, '\t');
    std::getline(cells, expect, '\t');
    if (!fs::exists(*folder / name)) {
      ++absent;
      continue;
    }
    const std::string reason = complaint(read_file((*folder / name).string()));
    (reason.empty() ? accepted : refused) += 1;
    if (expect == "ok") {
      EXPECT_EQ(reason, "") << name;
    } else if (expect == "bad") {
      EXPECT_NE(reason, "") << name;
    }
    std::printf("%-28s %-4s %s\n", name.c_str(), expect.c_str(),
                reason.empty() ? "decoded" : reason.c_str());
  }
  std::printf("%d decoded, %d refused, %d not there\n", accepted, refused, absent);
  EXPECT_GE(accepted + refused, 120);
}

}  // namespace
}  // namespace rela
