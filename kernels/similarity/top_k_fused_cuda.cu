// A block takes 128 queries and iterates over the candidates, 128 at a time. Each tile of
// similarities is compared, in registers, with the queries' bars; what passes becomes a key in the
// query's slots. Full slots are sorted by a warp: the k best stay, and the k-th becomes the bar.

#include <algorithm>

#include "kernels/gpu/tile_product.h"
#include "kernels/similarity/top_k_algorithms_cuda.h"
#include "kernels/similarity/top_k_keys_cuda.h"

namespace rela {
namespace {

constexpr int kMaxBlocks = 264;  // two per multiprocessor of a large GPU
constexpr int kWarps = kTileThreads / 32;
static_assert(kTopKCudaLimit + kTileSide <= kSlots);

/// How the work is distributed: every block of queries is paired with `splits` parts of the
/// candidates.
struct Work {
  TopKDims dims;
  int64_t query_blocks = 0;
  int64_t splits = 1;
  int64_t split_tiles = 0;  // tiles of candidates in a part

  int64_t items() const { return query_blocks * splits; }
  int64_t blocks() const { return std::min<int64_t>(items(), kMaxBlocks); }
};
Work work_of(const TopKDims& d) {
  Work w{.dims = d, .query_blocks = ceil_div(d.queries, kTileSide)};
  const int64_t tiles = ceil_div(d.candidates, kTileSide);
  constexpr int64_t kFewestTiles = 32;  // per part: merging must not cost more than it gains
  w.splits = std::clamp<int64_t>(kMaxBlocks / w.query_blocks, 1,
                                 std::max<int64_t>(1, std::min<int64_t>(8, tiles / kFewestTiles)));
  w.split_tiles = ceil_div(tiles, w.splits);
  return w;
}

/// Per-query state shared by a block.
struct Queries {
  int* count;  // [kTileSide] keys in the slots
  Key* bar;    // [kTileSide] only larger keys can be among the best
  Key* slots;  // [kTileSide, kSlots]
};

/// One warp keeps the `k` best of a query.
__device__ inline void compact_query(const Queries& q, int query, int k) {
  const Kept kept = compact(q.slots + query * kSlots, q.count[query], k);
  if (threadIdx.x % 32 == 0) {
    q.count[query] = kept.count;
    q.bar[query] = kept.bar;
  }
  __syncwarp();  // bar and count are written
}

/// Keys of the tile at candidate `first` that pass their query's bar.
template <class T>
__device__ inline void add_tile(const TileSums<T>& sums, const TopKDims& d, int64_t first,
                                int queries, const Queries& q) {
#pragma unroll
  for (int e = 0; e < kTileElements; ++e) {
    const int query = tile_row<T>(e);
    const int64_t candidate = first + tile_column<T>(e);
    const float value = sums.v[e];
    if (query >= queries || candidate >= d.candidates || !(value > -INFINITY)) continue;
    const Key key = key_of(value, static_cast<unsigned>(candidate));
    if (key > q.bar[query]) {
      q.slots[query * kSlots + atomicAdd(&q.count[query], 1)] = key;
    }
  }
}

/// The k best of every part of the candidates: best [N, splits, k], sorted, padded with 0.
template <class T>
__global__ void __launch_bounds__(kTileThreads, 1)  // 128 registers would spill
    select_kernel(MatrixSource<T> x, MatrixSource<T> y, Work work, Key* all_slots, Key* best) {
  SIMT_DYN_SHARED(uint4, stages);
  SIMT_SHARED(int, count, [kTileSide]);
  SIMT_SHARED(Key, bar, [kTileSide]);
  const int64_t k = work.dims.k;
  const Queries q{count, bar, all_slots + static_cast<int64_t>(blockIdx.x) * kTileSide * kSlots};
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  for (int64_t item = blockIdx.x; item < work.query_blocks * work.splits; item += gridDim.x) {
    const int64_t first_query = item / work.splits * kTileSide, split = item % work.splits;
    const int queries = static_cast<int>(min(work.dims.queries - first_query, int64_t{kTileSide}));
    if (thread < kTileSide) {
      count[thread] = 0;
      bar[thread] = 0;
    }
    const int64_t end = min((split + 1) * work.split_tiles * kTileSide, work.dims.candidates);
    for (int64_t first = split * work.split_tiles * kTileSide; first < end; first += kTileSide) {
      TileSums<T> sums;
      multiply_tile_cuda<T, TileOrder::kRowOuter, TileOrder::kRowOuter>(
          x, y, {first_query, first}, {0, work.dims.width}, stages, sums);
      add_tile<T>(sums, work.dims, first, queries, q);
      __syncthreads();  // every key of the tile is in its slot
      for (int query = warp; query < queries; query += kWarps) {
        if (count[query] > kSlots - kTileSide) compact_query(q, query, static_cast<int>(k));
      }
    }
    for (int query = warp; query < queries; query += kWarps) {
      compact_query(q, query, static_cast<int>(k));
      Key* const out = best + ((first_query + query) * work.splits + split) * k;
      for (int64_t i = lane; i < k; i += 32) {
        out[i] = i < count[query] ? q.slots[query * kSlots + i] : 0;
      }
    }
    __syncthreads();  // counts and bars have been read: the next queries may set them
  }
}

/// One warp per query: the k best of `candidates` keys, as values and indices.
__global__ void __launch_bounds__(kTileThreads)
    merge_kernel(const Key* best, int64_t queries, int64_t candidates, int k, TopKOutput out) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t query = (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  if (query >= queries) return;
  Key keys[kPerLane] = {};
  int kept = 0;  // the best so far; the other slots take new keys
  for (int64_t taken = 0; taken < candidates;) {
#pragma unroll
    for (int r = 0; r < kPerLane; ++r) {
      const int i = lane * kPerLane + r;
      const int64_t from = taken + i - kept;
      if (i >= kept) keys[r] = from < candidates ? best[query * candidates + from] : 0;
    }
    sort_keys(keys);
    taken += kSlots - kept;
    kept = k;
  }
#pragma unroll
  for (int r = 0; r < kPerLane; ++r) {
    const int i = lane * kPerLane + r;
    if (i < k) write_best(out, query * k + i, keys[r]);
  }
}

size_t slots_bytes(const Work& w) {
  return static_cast<size_t>(w.blocks()) * kTileSide * kSlots * sizeof(Key);
}

}  // namespace

size_t top_k_similarity_fused_workspace_bytes_cuda(const TopKDims& dims) {
  if (dims.queries == 0 || dims.k == 0) return 0;
  const Work work = work_of(dims);
  return slots_bytes(work) + static_cast<size_t>(dims.queries * work.splits * dims.k) * sizeof(Key);
}

void top_k_similarity_fused_cuda(const void* x, const void* y, TopKOutput out, const TopKDims& dims,
                                 Workspace workspace, Stream stream) {
  if (dims.queries == 0 || dims.k == 0) return;
  const Work work = work_of(dims);
  Key* const slots = static_cast<Key*>(workspace.data);
  Key* const best = slots + slots_bytes(work) / sizeof(Key);
  with_storage_type(dims.dtype, [&]<class T>(T*) {
    simt::launch(select_kernel<T>,
                 {static_cast<unsigned>(work.blocks()), kTileThreads, kTileSharedBytes}, stream,
                 matrix_source<T>(x, dims.queries, dims.width),
                 matrix_source<T>(y, dims.candidates, dims.width), work, slots, best);
  });
  const int64_t blocks = ceil_div(dims.queries, kWarps);
  simt::launch(merge_kernel, {static_cast<unsigned>(blocks), kTileThreads}, stream, best,
               dims.queries, work.splits * dims.k, static_cast<int>(dims.k), out);
}

}  // namespace rela
