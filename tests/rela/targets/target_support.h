#pragma once

#include <string>
#include <vector>

#include "rela/data/memory_dataset.h"
#include "rela/prior/prior.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace rela::test {

/// `count` images of 8 x 8 pixels; each has a different pattern.
inline MemoryDataset patterned_images(int64_t count, uint8_t salt = 0) {
  constexpr int64_t kSide = 8;
  MemoryImages images{.dims = {kSide, kSide}, .pixels = {}, .labels = {}, .class_names = {"x"}};
  uint32_t state = 12345u + salt;
  for (int64_t i = 0; i < count * kSide * kSide * 3; ++i) {
    state = state * 1664525u + 1013904223u;
    images.pixels.push_back(static_cast<uint8_t>(state >> 24));
  }
  images.labels.assign(static_cast<size_t>(count), 0);
  return MemoryDataset(std::move(images));
}

/// A random ResNet-18 with 8 features for images of 8 x 8 pixels.
inline PriorSpec small_prior(uint64_t seed = 1) {
  return {.student = ResNetSpec{.width = 1}, .seed = seed, .student_image_size = 8};
}

}  // namespace rela::test
