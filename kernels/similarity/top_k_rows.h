#pragma once
// The k best of a stream of (value, index) pairs, one row at a time.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <limits>

#include "kernels/types.h"

namespace rela {

/// A pair as one integer whose order is "larger value first, then lower index": value in the upper
/// half, as bits that sort like the float; the complement of the index in the lower.
inline uint64_t top_k_key(float value, uint32_t index) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (bits == 0x80000000u) bits = 0;  // -0 ties with 0
  const uint32_t sortable = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(sortable) << 32 | static_cast<uint32_t>(~index);
}
inline float top_k_key_value(uint64_t key) {
  const auto sortable = static_cast<uint32_t>(key >> 32);
  return std::bit_cast<float>((sortable & 0x80000000u) != 0 ? sortable & 0x7fffffffu : ~sortable);
}
inline uint32_t top_k_key_index(uint64_t key) { return ~static_cast<uint32_t>(key); }

/// Puts the k largest of `count` > k >= 1 different keys first, the k-th of them at keys[k - 1].
/// A quickselect without branches on what it compares: those would be mispredicted half of the
/// time.
inline void select_largest(uint64_t* keys, int64_t count, int64_t k) {
  int64_t begin = 0, end = count;
  for (int rounds = 2 * std::bit_width(static_cast<uint64_t>(count)); rounds > 0; --rounds) {
    if (end - begin < 8) break;
    uint64_t &first = keys[begin], &middle = keys[begin + (end - begin) / 2], &last = keys[end - 1];
    const uint64_t pivot =
        std::max(std::min(first, middle), std::min(std::max(first, middle), last));
    std::swap(first, pivot == first ? first : pivot == middle ? middle : last);
    int64_t larger = begin + 1;
    for (int64_t i = begin + 1; i < end; ++i) {
      const uint64_t key = keys[i];
      keys[i] = keys[larger];
      keys[larger] = key;
      larger += static_cast<int64_t>(key > pivot);
    }
    std::swap(keys[begin], keys[larger - 1]);  // where the pivot belongs
    if (larger == k) return;
    (larger < k ? begin : end) = larger < k ? larger : larger - 1;
  }
  // What is left is short, or the pivots were unlucky.
  std::nth_element(keys + begin, keys + (k - 1), keys + end, std::greater<>());
}

/// Keeps the best k of what it is given, in a buffer of capacity >= k + 1 that the caller owns.
/// When the buffer is full, it drops all but the k best, and the k-th becomes the bar that later
/// values must exceed. Indices come in ascending order, so a later value equal to the bar has lost
/// its tie already.
class TopKRow {
 public:
  TopKRow(uint64_t* buffer, int64_t capacity, int64_t k)
      : buffer_(buffer), capacity_(capacity), k_(k) {}

  /// Only values above it can be among the best k.
  float bar() const { return bar_; }

  void add(float value, uint32_t index) {
    buffer_[size_++] = top_k_key(value, index);
    if (size_ == capacity_) compact();
  }

  /// Writes the best k, best first, and fills up with (-inf, -1).
  void finish(float* values, int64_t* indices) {
    if (size_ > k_) compact();
    std::sort(buffer_, buffer_ + size_, std::greater<>());
    for (int64_t i = 0; i < size_; ++i) {
      values[i] = top_k_key_value(buffer_[i]);
      indices[i] = top_k_key_index(buffer_[i]);
    }
    std::fill(values + size_, values + k_, -std::numeric_limits<float>::infinity());
    std::fill(indices + size_, indices + k_, -1);
  }

 private:
  void compact() {
    select_largest(buffer_, size_, k_);
    size_ = k_;
    bar_ = top_k_key_value(buffer_[k_ - 1]);
  }

  uint64_t* buffer_;
  int64_t capacity_;
  int64_t k_;
  int64_t size_ = 0;
  float bar_ = -std::numeric_limits<float>::infinity();
};

}  // namespace rela
