#pragma once
// How the batch normalisation kernels on the CPU traverse a group of rows and lay out scratch
// memory.

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/norm/batch_norm.h"

namespace rela {

/// Splits the rows of one group into parts, the unit of work of a thread and of f32 summation. The
/// split depends on the problem's size alone.
class RowParts {
 public:
  explicit RowParts(const BatchNormDims& dims)
      : rows_(dims.rows),
        rows_per_part_(
            std::clamp<int64_t>(kElements / std::max<int64_t>(dims.channels, 1), 32, 1024)) {}
  int64_t count() const { return (rows_ + rows_per_part_ - 1) / rows_per_part_; }
  Range operator[](int64_t part) const {
    return {part * rows_per_part_, std::min((part + 1) * rows_per_part_, rows_)};
  }

 private:
  static constexpr int64_t kElements = 64 * 1024;
  int64_t rows_;
  int64_t rows_per_part_;
};

/// Arrays of one entry per channel, padded to whole lanes, reused for each group.
class BatchNormScratch {
 public:
  static constexpr int64_t kDoubles = 4;
  static constexpr int64_t kCoefficients = 5;
  static constexpr int64_t kPartials = 3;

  BatchNormScratch(const BatchNormDims& dims, Workspace workspace)
      : stride_(padded_to_lanes(dims.channels)),
        doubles_(static_cast<double*>(workspace.data)),
        floats_(reinterpret_cast<float*>(doubles_ + kDoubles * stride_)) {}
  static size_t bytes(const BatchNormDims& dims) {
    const int64_t floats = kCoefficients + kPartials * RowParts(dims).count();
    return static_cast<size_t>(padded_to_lanes(dims.channels)) *
           (kDoubles * sizeof(double) + static_cast<size_t>(floats) * sizeof(float));
  }

  double* total(int64_t index) const { return doubles_ + index * stride_; }
  float* coefficient(int64_t index) const { return floats_ + index * stride_; }
  float* partial(int64_t part, int64_t index) const {
    return floats_ + (kCoefficients + part * kPartials + index) * stride_;
  }

 private:
  int64_t stride_;
  double* doubles_;
  float* floats_;
};

/// body(part) for every part, each thread's in the order of the sweep.
template <class Body>
void sweep_parts(const RowParts& parts, Sweep sweep, Body&& body) {
  const int64_t workers = std::min<int64_t>(cpu_threads(), parts.count());
  parallel_for(workers, [&](int64_t worker) {
    const Range mine = part_of(parts.count(), workers, worker);
    for (int64_t i = mine.begin; i < mine.end; ++i)
      body(sweep == Sweep::kForward ? i : mine.begin + mine.end - 1 - i);
  });
}

/// Results of this size or more bypass the caches: they would be evicted before the next op anyway.
inline constexpr int64_t kStreamBytes = 8 << 20;
/// The same for a result that the op itself reads again, one group later.
inline constexpr int64_t kStreamBytesReadAgain = 16 << 20;

template <class T>
Caching caching_of(const T* out, const BatchNormDims& dims, int64_t stream_bytes = kStreamBytes) {
  const int64_t bytes = dims.groups * dims.rows * dims.channels * static_cast<int64_t>(sizeof(T));
  return bytes >= stream_bytes && can_stream(out, dims.channels) ? Caching::kStream
                                                                 : Caching::kKeep;
}

/// Covers the rows by blocks: body(first_row, std::integral_constant<int64_t, rows in block>).
/// Eight rows share one load of each channel's coefficients.
template <class Body>
[[gnu::always_inline]] inline void for_row_blocks(Range rows, Body&& body) {
  int64_t r = rows.begin;
  for (; r + 8 <= rows.end; r += 8) body(r, std::integral_constant<int64_t, 8>{});
  for (; r < rows.end; ++r) body(r, std::integral_constant<int64_t, 1>{});
}

}  // namespace rela
