#include "rela/data/synthetic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "kernels/random/random_stream.h"
#include "rela/data/memory_dataset.h"

namespace rela {
namespace {

constexpr int64_t kSide = 32;
constexpr float kPi = std::numbers::pi_v<float>;

using Color = std::array<float, 3>;

/// What varies within a class.
struct Pose {
  float x, y;   // centre, pixels
  float size;   // radius, pixels
  float angle;  // radians
  float phase;
};

float disc(float r, const Pose& p) { return r < p.size ? 1.0f : 0.0f; }
float stripes(float u, const Pose& p) {
  return std::sin(u * 2 * kPi / (p.size * 0.6f) + p.phase) > 0 ? 1.0f : 0.0f;
}

/// 1 where the shape of a class covers a point, 0 elsewhere; u and v are the point in the pose's
/// rotated frame.
float coverage(int64_t label, float u, float v, const Pose& p) {
  const float r = std::hypot(u, v);
  const float s = p.size;
  switch (label) {
    case 0:
      return disc(r, p);
    case 1:
      return disc(r, p) - (r < 0.55f * s ? 1.0f : 0.0f);  // ring
    case 2:
      return std::max(std::abs(u), std::abs(v)) < 0.85f * s ? 1.0f : 0.0f;  // square
    case 3:
      return v > -0.6f * s && v < 1.8f * (s * 0.6f - std::abs(u)) ? 1.0f : 0.0f;  // triangle
    case 4:
      return std::min(std::abs(u), std::abs(v)) < 0.3f * s && r < 1.2f * s ? 1.0f : 0.0f;  // cross
    case 5:
      return stripes(u, p);
    case 6:
      return stripes(u, p) != stripes(v, p) ? 1.0f : 0.0f;  // checkerboard
    case 7:
      return stripes(r, p);  // rings
    case 8:
      return std::sin(std::atan2(v, u) * 5 + p.phase) * 0.35f * s + 0.75f * s > r ? 1.0f
                                                                                  : 0.0f;  // flower
    default:
      return stripes(u, p) * stripes(v, p);  // dots
  }
}

Color draw_color(RandomStream& random) {
  return {random.uniform(), random.uniform(), random.uniform()};
}

float contrast(const Color& a, const Color& b) {
  return std::abs(a[0] - b[0]) + std::abs(a[1] - b[1]) + std::abs(a[2] - b[2]);
}

void draw_image(int64_t label, RandomStream& random, uint8_t* pixels) {
  const Pose pose{random.uniform(11, 21), random.uniform(11, 21), random.uniform(6, 12),
                  random.uniform(0, 2 * kPi), random.uniform(0, 2 * kPi)};
  const Color front = draw_color(random);
  Color back = draw_color(random);
  while (contrast(front, back) < 0.6f) back = draw_color(random);
  const float noise = random.uniform(0.02f, 0.12f);
  const float cosine = std::cos(pose.angle);
  const float sine = std::sin(pose.angle);
  for (int64_t y = 0; y < kSide; ++y) {
    for (int64_t x = 0; x < kSide; ++x) {
      const float dx = static_cast<float>(x) - pose.x;
      const float dy = static_cast<float>(y) - pose.y;
      const float cover = coverage(label, cosine * dx + sine * dy, cosine * dy - sine * dx, pose);
      for (size_t c = 0; c < 3; ++c) {
        const float value = back[c] + cover * (front[c] - back[c]) + noise * random.normal();
        pixels[(y * kSide + x) * 3 + static_cast<int64_t>(c)] =
            static_cast<uint8_t>(std::lround(255 * std::clamp(value, 0.0f, 1.0f)));
      }
    }
  }
}

}  // namespace

std::unique_ptr<ImageDataset> make_synthetic(int64_t size, Split split, uint64_t seed) {
  MemoryImages images;
  images.dims = {kSide, kSide};
  images.class_names = {"disc",    "ring",         "square", "triangle", "cross",
                        "stripes", "checkerboard", "rings",  "flower",   "dots"};
  images.pixels.resize(static_cast<size_t>(size * kSide * kSide * 3));
  for (int64_t i = 0; i < size; ++i) {
    RandomStream random({.seed = seed,
                         .sample = static_cast<uint64_t>(i),
                         .view = static_cast<uint8_t>(split),
                         .op = RandomOp::kSynthetic});
    images.labels.push_back(i % 10);
    draw_image(i % 10, random, images.pixels.data() + i * kSide * kSide * 3);
  }
  return std::make_unique<MemoryDataset>(std::move(images));
}

}  // namespace rela
