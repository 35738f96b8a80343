#pragma once
// Random numbers that depend on their purpose, not on who draws them or when: identical for any
// number of threads, workers or ranks, on CPU and GPU.

#include <cmath>
#include <cstdint>
#include <numbers>

#include "kernels/random/philox.h"

namespace rela {

/// What a stream is used for. Values are part of the numbers drawn: add at the end, never renumber.
enum class RandomOp : uint8_t {
  kInit = 0,        // parameters of a model; sample = index of the parameter
  kEpochOrder = 1,  // which samples an epoch visits, and in which order
  kCrop = 2,
  kFlip = 3,
  kJitter = 4,
  kGrayscale = 5,
  kBlur = 6,
  kSolarize = 7,
  kDropout = 8,
  kSynthetic = 9,  // pixels of procedural images
  kProbe = 10,     // evaluation: shuffles and initial weights of a probe
  kDropPath = 11,  // which branches of a network an image goes without
};

/// Names one stream. Two different names never share a block of random bits:
///   key     = { seed[31:0], seed[63:32] }
///   counter = { block, sample[31:0], epoch, sample[47:32] << 16 | view << 8 | op }
/// where `block` counts the stream's 128-bit blocks from 0 (2^32 of them, four words each).
struct RandomKey {
  uint64_t seed = 0;
  uint32_t epoch = 0;
  uint64_t sample = 0;  // below 2^48
  uint8_t view = 0;
  RandomOp op = RandomOp::kInit;
};

constexpr PhiloxCounter philox_counter(const RandomKey& name, uint32_t block) {
  return {block, static_cast<uint32_t>(name.sample), name.epoch,
          (static_cast<uint32_t>(name.sample >> 32) << 16) |
              (static_cast<uint32_t>(name.view) << 8) | static_cast<uint32_t>(name.op)};
}

constexpr PhiloxKey philox_key(const RandomKey& name) {
  return {static_cast<uint32_t>(name.seed), static_cast<uint32_t>(name.seed >> 32)};
}

/// Reads a stream from its beginning, word by word.
class RandomStream {
 public:
  constexpr explicit RandomStream(const RandomKey& name) : name_(name) {}

  /// 32 random bits.
  constexpr uint32_t bits() {
    if (next_word_ == 4) {
      words_ = philox4x32_10(philox_counter(name_, next_block_++), philox_key(name_));
      next_word_ = 0;
    }
    return words_[next_word_++];
  }

  /// A multiple of 2^-24 in [0, 1), each equally likely. One word.
  constexpr float uniform() { return static_cast<float>(bits() >> 8) * 0x1p-24f; }

  /// Between low and high; low itself when they are equal. One word.
  constexpr float uniform(float low, float high) { return low + (high - low) * uniform(); }

  /// True with probability p: never for 0, always for 1. One word.
  constexpr bool bernoulli(float p) { return uniform() < p; }

  /// An integer in [0, bound), each exactly equally likely (Lemire, ACM TOMACS 2019). 0 for bound
  /// 0. One word, rarely more.
  constexpr uint32_t below(uint32_t bound) {
    uint64_t product = static_cast<uint64_t>(bits()) * bound;
    if (static_cast<uint32_t>(product) < bound) {
      const uint32_t unfair = bound == 0 ? 0 : (0u - bound) % bound;  // 2^32 mod bound
      while (static_cast<uint32_t>(product) < unfair)
        product = static_cast<uint64_t>(bits()) * bound;
    }
    return static_cast<uint32_t>(product >> 32);
  }

  /// Standard normal (Box and Muller). Two words.
  float normal() {
    const float radius = std::sqrt(-2.0f * std::log(1.0f - uniform()));
    return radius * std::cos(2.0f * std::numbers::pi_v<float> * uniform());
  }

 private:
  RandomKey name_;
  PhiloxCounter words_{};
  uint32_t next_block_ = 0;
  int next_word_ = 4;
};

}  // namespace rela
