#pragma once

#include <cstdint>

#include "runtime/ops/similarity.h"
#include "runtime/tensor.h"

namespace rela {

/// Throws UnsupportedError if the device cannot find so many neighbours at once: at most 256 on
/// cuda.
void check_neighbour_count(int64_t k, Device device);

/// Exact nearest rows by cosine, on the device of the features. A large bank is normalised piece by
/// piece, anew for every search: the device never holds a second copy of it.
class CosineSearch {
 public:
  static constexpr int64_t kPieceBytes = int64_t{1} << 30;

  /// bank [M, D] f32; its memory is shared, not copied. `piece_rows`: how many rows are normalised
  /// at once; 0: as many as kPieceBytes hold.
  explicit CosineSearch(const Tensor& bank, int64_t piece_rows = 0);

  /// For each row of queries [N, D] f32, on the bank's device, the k rows of the bank with the
  /// largest cosine, best first, equal ones in the order of their index. 0 <= k <= M. On the host:
  /// waits for the device. Throws what top_k_similarity() throws.
  TopK nearest(const Tensor& queries, int64_t k) const;

 private:
  Tensor bank_;
  int64_t piece_rows_;
  Tensor normalized_;  // the bank, if it is one piece
};

}  // namespace rela
