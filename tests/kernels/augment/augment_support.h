#pragma once
// Inputs and comparisons shared by the tests of kernels/augment.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "kernels/augment/view_spec.h"
#include "kernels/random/random_stream.h"

namespace rela::test {

/// Scratch of exactly the requested size, filled with NaN: exposes kernels that read what they did
/// not write.
class PoisonedWorkspace {
 public:
  explicit PoisonedWorkspace(size_t bytes)
      : bytes_(bytes), data_(static_cast<float*>(std::aligned_alloc(64, (bytes / 64 + 1) * 64))) {
    std::fill_n(data_.get(), bytes / sizeof(float), std::numeric_limits<float>::quiet_NaN());
  }
  Workspace get() { return {data_.get(), bytes_}; }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  size_t bytes_;
  std::unique_ptr<float[], Free> data_;
};

inline std::vector<float> poisoned(int64_t n) {
  return std::vector<float>(static_cast<size_t>(n), std::numeric_limits<float>::quiet_NaN());
}

struct RandomImage {
  RandomImage(ImageDims d, uint64_t seed)
      : dims(d), pixels(static_cast<size_t>(d.height * d.width * 3)) {
    RandomStream random({.seed = seed});
    for (uint8_t& p : pixels) p = static_cast<uint8_t>(random.below(256));
  }
  ImageView view() const { return {pixels.data(), dims}; }
  double at(int64_t y, int64_t x, int64_t c) const {
    return pixels[static_cast<size_t>((y * dims.width + x) * 3 + c)] / 255.0;
  }

  ImageDims dims;
  std::vector<uint8_t> pixels;
};

/// Planes [3, pixels] in [0, 1] including black, white, grey and two-way ties of the largest
/// channel.
inline std::vector<float> random_planes(int64_t pixels, uint64_t seed) {
  std::vector<float> x(static_cast<size_t>(3 * pixels));
  RandomStream random({.seed = seed});
  for (float& v : x) v = random.uniform();
  const auto set = [&](int64_t p, float r, float g, float b) {
    if (p >= pixels) return;
    x[static_cast<size_t>(p)] = r;
    x[static_cast<size_t>(pixels + p)] = g;
    x[static_cast<size_t>(2 * pixels + p)] = b;
  };
  set(0, 0.25f, 0.5f, 0.75f);
  set(3, 0, 0, 0);
  set(5, 1, 1, 1);
  set(7, 0.5f, 0.5f, 0.5f);
  set(11, 0.75f, 0.75f, 0.25f);
  set(13, 0.25f, 0.75f, 0.75f);
  set(17, 0.75f, 0.25f, 0.75f);
  return x;
}

inline void expect_near(std::span<const float> got, std::span<const double> want,
                        double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_LE(std::abs(got[i] - want[i]), tolerance)  // false for NaN
        << "element " << i << ": got " << got[i] << ", want " << want[i];
  }
}

}  // namespace rela::test
