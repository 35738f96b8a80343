#pragma once
// What both ways of rounding share: which source pixels an output pixel depends on, and how much.

#include <cstddef>
#include <cstdint>

#include "kernels/augment/resize.h"

namespace rela {

/// The whole source pixels [begin, begin + size) that an axis reads.
struct PixelRange {
  int64_t begin = 0;
  int64_t size = 0;
};
PixelRange source_range(const ResizeAxis& axis);

/// Source pixels that one output pixel can depend on.
int64_t taps_of(const ResizeAxis& axis, ResizeFilter filter);

/// Weights of every output pixel, all with the same number of taps so that loops have no tails.
struct WeightTable {
  int64_t taps;
  int32_t* first;  // [out_size], source pixel of tap 0, counted from source_range().begin
  float* weight;   // of tap t of output pixel o: weight[t * tap_stride + o * pixel_stride]
  int64_t tap_stride;
  int64_t pixel_stride;
};

struct WeightSpec {
  ResizeFilter filter;
  float total;    // sum of the weights of one output pixel
  Mirror mirror;  // order of the output pixels
};

void fill_weights(const ResizeAxis& axis, const WeightSpec& spec, const WeightTable& table);

/// Hands out consecutive pieces of a workspace, 64-byte aligned.
class Carver {
 public:
  explicit Carver(Workspace workspace) : next_(static_cast<char*>(workspace.data)) {}
  template <class T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(next_);
    next_ += bytes<T>(count);
    return piece;
  }
  template <class T = float>
  static size_t bytes(int64_t count) {
    return (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
  }

 private:
  char* next_;
};

/// Two passes that round to bytes (ResizeRounding::kBytes).
void resize_bytes_cpu(const ImageView& image, const ResizeArgs& args, float* out,
                      Workspace workspace);
size_t resize_bytes_workspace_bytes(const ResizeArgs& args);

}  // namespace rela
