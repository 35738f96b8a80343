// cuBLASLt writes the similarities of a tile to the workspace, [queries, candidates] f32; then one
// warp per query compares its row with the query's bar. What passes becomes a key in the query's
// slots; slots, count and bar stay in the workspace for the next tile of candidates.

#include <algorithm>

#include "kernels/gpu/workspace_pieces.h"
#include "kernels/libraries/cublas/matmul.h"
#include "kernels/similarity/top_k_algorithms_cuda.h"
#include "kernels/similarity/top_k_keys_cuda.h"

namespace rela {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kAhead = 4;  // loads in flight per lane
static_assert(kTopKCudaLimit + 32 <= kSlots);

/// The state of a tile's queries between tiles of candidates, [queries] each.
struct Progress {
  int* count;
  Key* bar;
  Key* slots;  // [queries, kSlots]
};

struct Tile {
  int64_t first_query, queries;
  int64_t first, candidates;
  bool is_last;  // last tile of the candidates
};

/// Keys of a row of the tile that pass the query's bar.
__device__ inline Kept take_row(const float* scores, const Tile& t, Kept kept, Key* slots, int k) {
  const unsigned lane = threadIdx.x % 32;
  for (int64_t begin = 0; begin < t.candidates; begin += 32 * kAhead) {
    float values[kAhead];
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      const int64_t i = begin + 32 * a + lane;
      values[a] = i < t.candidates ? scores[i] : -INFINITY;
    }
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      const Key key =
          values[a] > -INFINITY
              ? key_of(values[a], static_cast<unsigned>(t.first + begin + 32 * a + lane))
              : 0;
      const unsigned passing = __ballot_sync(0xffffffffu, key > kept.bar);
      if (passing == 0) continue;  // the whole warp
      if (key > kept.bar) slots[kept.count + __popc(passing & ((1u << lane) - 1))] = key;
      kept.count += __popc(passing);
      if (kept.count <= kSlots - 32) continue;
      __syncwarp();  // the keys are in their slots
      kept = compact(slots, kept.count, k);
    }
  }
  return kept;
}

/// What lane 0 stored before; only lane 0 reads it, because it also overwrites it.
__device__ inline Kept resume(const Progress& p, int64_t query) {
  Kept kept{0, 0};
  if (threadIdx.x % 32 == 0) kept = {p.count[query], p.bar[query]};
  kept.count = __shfl_sync(0xffffffffu, kept.count, 0);
  kept.bar = __shfl_sync(0xffffffffu, kept.bar, 0);
  return kept;
}

__global__ void __launch_bounds__(kThreads)
    take_kernel(const float* scores, Tile t, int k, Progress p, TopKOutput out) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t query = (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  if (query >= t.queries) return;
  Key* const slots = p.slots + query * kSlots;
  Kept kept = t.first == 0 ? Kept{0, 0} : resume(p, query);
  kept = take_row(scores + query * t.candidates, t, kept, slots, k);
  if (!t.is_last) {
    if (lane == 0) {
      p.count[query] = kept.count;
      p.bar[query] = kept.bar;
    }
    return;
  }
  __syncwarp();  // the last keys are in their slots
  kept = compact(slots, kept.count, k);
  for (int i = lane; i < k; i += 32) {
    write_best(out, (t.first_query + query) * k + i, i < kept.count ? slots[i] : 0);
  }
}

MatmulCall product_of(const TopKDims& d, int64_t queries, int64_t candidates) {
  return {.m = queries, .n = candidates, .k = d.width, .in = d.dtype, .out = Dtype::kF32};
}

/// Tiles no larger than the problem.
TopKTiles fitted(const TopKDims& d, const TopKTiles& t) {
  return {std::min(d.queries, t.queries), std::min(d.candidates, t.candidates)};
}

/// Workspace for whole tiles and for the remainders at the ends.
size_t product_bytes(const TopKDims& d, const TopKTiles& t) {
  size_t bytes = 0;
  for (const int64_t queries : {t.queries, d.queries % t.queries}) {
    for (const int64_t candidates : {t.candidates, d.candidates % t.candidates}) {
      if (queries == 0 || candidates == 0) continue;
      bytes = std::max(bytes, matmul_workspace_bytes(product_of(d, queries, candidates)));
    }
  }
  return bytes;
}

/// Pieces of the workspace, as byte offsets; the product's workspace comes first.
struct Layout {
  size_t product = 0, scores = 0, slots = 0, bar = 0, count = 0, bytes = 0;
};
Layout layout_of(const TopKDims& d, const TopKTiles& t) {
  Layout l;
  WorkspaceCutter cut;
  l.product = product_bytes(d, t);
  cut.take(static_cast<int64_t>(l.product), 1);
  l.scores = cut.take(t.queries * t.candidates, sizeof(float));
  l.slots = cut.take(t.queries * kSlots, sizeof(Key));
  l.bar = cut.take(t.queries, sizeof(Key));
  l.count = cut.take(t.queries, sizeof(int));
  l.bytes = cut.bytes;
  return l;
}

const void* row_of(const void* rows, int64_t row, const TopKDims& d) {
  return static_cast<const char*>(rows) + static_cast<size_t>(row * d.width) * dtype_bytes(d.dtype);
}

}  // namespace

size_t top_k_similarity_tiled_workspace_bytes_cuda(const TopKDims& dims, const TopKTiles& tiles) {
  if (dims.queries == 0 || dims.k == 0) return 0;
  return layout_of(dims, fitted(dims, tiles)).bytes;
}

void top_k_similarity_tiled_cuda(const TopKRows& rows, TopKOutput out, const TopKDims& dims,
                                 Workspace workspace, Stream stream, const TopKTiles& tiles) {
  if (dims.queries == 0 || dims.k == 0) return;
  const TopKTiles size = fitted(dims, tiles);
  const Layout l = layout_of(dims, size);
  float* const scores = piece_at<float>(workspace, l.scores);
  const Progress progress{piece_at<int>(workspace, l.count), piece_at<Key>(workspace, l.bar),
                          piece_at<Key>(workspace, l.slots)};
  for (int64_t query = 0; query < dims.queries; query += size.queries) {
    for (int64_t first = 0; first < dims.candidates; first += size.candidates) {
      const int64_t next = first + size.candidates;
      const Tile tile{.first_query = query,
                      .queries = std::min(size.queries, dims.queries - query),
                      .first = first,
                      .candidates = std::min(size.candidates, dims.candidates - first),
                      .is_last = next >= dims.candidates};
      matmul(product_of(dims, tile.queries, tile.candidates),
             {.a = row_of(rows.x, query, dims), .b = row_of(rows.y, first, dims), .c = scores},
             {workspace.data, l.product}, stream);
      simt::launch(take_kernel, {static_cast<unsigned>(ceil_div(tile.queries, kWarps)), kThreads},
                   stream, scores, tile, static_cast<int>(dims.k), progress, out);
    }
  }
}

}  // namespace rela
