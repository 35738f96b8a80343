#pragma once
// The product of one tile per thread block, for GPU kernels that consume each tile immediately and
// never store the whole product: 16-bit types on tensor cores, f32 as exact chains of
// multiply-adds. Only .cu files include this.
//
//   extern: SIMT_DYN_SHARED(uint4, memory) of kTileSharedBytes
//   TileSums<T> sums;
//   multiply_tile_cuda<T>(a, b, first rows of both, depths, memory, sums);
//   for each element e: sums.v[e] belongs to (tile_row<T>(e), tile_column<T>(e))
//
// An operand is a Source: element (outer, inner), inner contiguous. It is kRowOuter, [row, depth],
// or kDepthOuter, [depth, row].

#include "kernels/gpu/storage.h"

namespace rela {

inline constexpr int kTileSide = 128;     // rows and columns of a tile
inline constexpr int kTileThreads = 256;  // 16 bits: 2 x 4 warps of 64 x 32; f32: 16 x 16 threads
inline constexpr int kTileElements = kTileSide * kTileSide / kTileThreads;  // per thread

/// Depth of one stage of shared memory: 64 bytes of a row.
template <class T>
inline constexpr int kStageDepth = 64 / static_cast<int>(sizeof(T));
template <class T>
inline constexpr int kChunk = 16 / static_cast<int>(sizeof(T));  // elements of one copy

enum class TileOrder : uint8_t { kRowOuter, kDepthOuter };

/// Elements from one outer index to the next, padded by 16 bytes so that rows fall in different
/// banks.
template <class T, TileOrder kOrder>
inline constexpr int kStagePitch =
    (kOrder == TileOrder::kRowOuter ? kStageDepth<T> : kTileSide) + kChunk<T>;
inline constexpr int kStageBytes = 10240;  // per operand: the larger of both orders
inline constexpr int kTileSharedBytes = 4 * kStageBytes;

/// A matrix in global memory. Elements outside it count as zero.
template <class T>
struct MatrixSource {
  const T* data = nullptr;
  int64_t outer = 0, inner = 0;  // inner contiguous
  bool is_aligned = false;       // 16-byte chunks may be copied

  __device__ bool is_whole(int64_t o, int64_t i) const {
    return is_aligned && o < outer && i + kChunk<T> <= inner;
  }
  __device__ const T* chunk(int64_t o, int64_t i) const { return data + o * inner + i; }
  __device__ float at(int64_t o, int64_t i) const {
    return o < outer && i < inner ? load_f32(data + o * inner + i) : 0.0f;
  }
};
/// Host side.
template <class T>
MatrixSource<T> matrix_source(const void* data, int64_t outer, int64_t inner) {
  return {static_cast<const T*>(data), outer, inner, aligned16(data) && inner % kChunk<T> == 0};
}

template <class T>
struct TileSums {
  float v[kTileElements];
};

/// Position in the tile of element e of the calling thread.
template <class T>
__device__ inline int tile_row(int e) {
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  if constexpr (sizeof(T) == 4) return thread / 16 + 16 * (e / 8);
  return warp / 4 * 64 + e / 16 * 16 + lane / 4 + e % 4 / 2 * 8;
}
template <class T>
__device__ inline int tile_column(int e) {
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  if constexpr (sizeof(T) == 4) return thread % 16 + 16 * (e % 8);
  return warp % 4 * 32 + e % 16 / 4 * 8 + lane % 4 * 2 + e % 2;
}

/// Starts the copy of one stage of an operand: rows [row, row + kTileSide), depths [depth, depth +
/// kStageDepth).
template <class T, TileOrder kOrder, class Source>
__device__ inline void load_stage(const Source& source, int64_t row, int64_t depth, T* stage) {
  constexpr int kInner = kOrder == TileOrder::kRowOuter ? kStageDepth<T> : kTileSide;
  constexpr int kOuter = kOrder == TileOrder::kRowOuter ? kTileSide : kStageDepth<T>;
  constexpr int kChunks = kInner / kChunk<T>;
  const int64_t outer_begin = kOrder == TileOrder::kRowOuter ? row : depth;
  const int64_t inner_begin = kOrder == TileOrder::kRowOuter ? depth : row;
  for (int c = static_cast<int>(threadIdx.x); c < kOuter * kChunks; c += kTileThreads) {
    const int o = c / kChunks, i = c % kChunks * kChunk<T>;
    T* to = stage + o * kStagePitch<T, kOrder> + i;
    if (source.is_whole(outer_begin + o, inner_begin + i)) {
      simt::cp_async16(to, source.chunk(outer_begin + o, inner_begin + i));
    } else {
      for (int k = 0; k < kChunk<T>; ++k) {
        store_f32(to + k, source.at(outer_begin + o, inner_begin + i + k));
      }
    }
  }
}

/// Adds the product of one stage: one chain of fmaf over the depth for each element.
template <TileOrder kA, TileOrder kB>
__device__ inline void multiply_stage(const float* a, const float* b, TileSums<float>& sums) {
  const int ty = static_cast<int>(threadIdx.x) / 16, tx = static_cast<int>(threadIdx.x) % 16;
  const auto fetch = [](const float* stage, TileOrder order, int row, int depth) {
    return order == TileOrder::kRowOuter
               ? stage[row * kStagePitch<float, TileOrder::kRowOuter> + depth]
               : stage[depth * kStagePitch<float, TileOrder::kDepthOuter> + row];
  };
#pragma unroll 1  // more would spill
  for (int d = 0; d < kStageDepth<float>; ++d) {
    float left[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) left[i] = fetch(a, kA, ty + 16 * i, d);
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const float right = fetch(b, kB, tx + 16 * j, d);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        sums.v[i * 8 + j] = fmaf(left[i], right, sums.v[i * 8 + j]);
      }
    }
  }
}

/// The address that this lane passes to ldmatrix for four 8 x 8 tiles of an operand: tile t covers
/// rows 8 (t / 2 or t % 2) and depths 8 (the other one) from (row, depth) on.
template <TileOrder kOrder, bool kRowsFirst, class T>
__device__ inline const T* tile_address(const T* stage, int row, int depth) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int tile = lane / 8;
  row += (kRowsFirst ? tile % 2 : tile / 2) * 8;
  depth += (kRowsFirst ? tile / 2 : tile % 2) * 8;
  if (kOrder == TileOrder::kRowOuter) {
    return stage + (row + lane % 8) * kStagePitch<T, TileOrder::kRowOuter> + depth;
  }
  return stage + (depth + lane % 8) * kStagePitch<T, TileOrder::kDepthOuter> + row;
}
template <TileOrder kOrder>
__device__ inline void load_fragments(unsigned (&tiles)[4], const void* address) {
  if constexpr (kOrder == TileOrder::kRowOuter) {
    simt::ldmatrix_x4(tiles, address);
  } else {
    simt::ldmatrix_x4_transposed(tiles, address);
  }
}

template <TileOrder kA, TileOrder kB, class T>
__device__ inline void multiply_stage(const T* a, const T* b, TileSums<T>& sums) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int row = warp / 4 * 64, column = warp % 4 * 32;
#pragma unroll
  for (int d = 0; d < kStageDepth<T>; d += 16) {
    unsigned right[2][4];  // each: two fragments of 8 columns
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      load_fragments<kB>(right[j], tile_address<kB, false>(b, column + 16 * j, d));
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      unsigned left[4];
      load_fragments<kA>(left, tile_address<kA, true>(a, row + 16 * i, d));
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const unsigned fragment[2] = {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]};
        float c[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) c[k] = sums.v[(i * 4 + j) * 4 + k];
        mma_m16n8k16<T>(c, left, fragment, c);
#pragma unroll
        for (int k = 0; k < 4; ++k) sums.v[(i * 4 + j) * 4 + k] = c[k];
      }
    }
  }
}

/// Depths [begin, end) of a product; unless end is the operands' depth, end - begin is a multiple
/// of the stage's depth.
struct DepthRange {
  int64_t begin = 0, end = 0;
};

/// The first row of each operand in a tile.
struct TileOrigin {
  int64_t a = 0, b = 0;
};

/// sums[r, c] = sum over the depths of a[origin.a + r, d] b[origin.b + c, d]. `shared`:
/// kTileSharedBytes, 16-byte aligned, free again on return. The whole block must call it; it passes
/// at least one barrier.
template <class T, TileOrder kA, TileOrder kB, class SourceA, class SourceB>
__device__ inline void multiply_tile_cuda(const SourceA& a, const SourceB& b, TileOrigin origin,
                                          DepthRange depths, void* shared, TileSums<T>& sums) {
  T* const memory = static_cast<T*>(shared);
  constexpr int kStage = kStageBytes / static_cast<int>(sizeof(T));
#pragma unroll
  for (int e = 0; e < kTileElements; ++e) sums.v[e] = 0.0f;
  const auto load = [&](int64_t depth, int buffer) {
    T* const stage = memory + buffer * 2 * kStage;
    load_stage<T, kA>(a, origin.a, depth, stage);
    load_stage<T, kB>(b, origin.b, depth, stage + kStage);
    simt::cp_async_commit();
  };
  load(depths.begin, 0);
  int buffer = 0;
  int64_t depth = depths.begin;
  do {  // once even for an empty depth: the caller relies on the barriers
    if (depth + kStageDepth<T> < depths.end) {
      load(depth + kStageDepth<T>, 1 - buffer);
      simt::cp_async_wait<1>();  // this thread's copies of this stage; the next is in flight
    } else {
      simt::cp_async_wait<0>();  // this thread's copies of the last stage
    }
    __syncthreads();  // every thread's part of this stage has arrived
    const T* const stage = memory + buffer * 2 * kStage;
    multiply_stage<kA, kB>(stage, stage + kStage, sums);
    __syncthreads();  // this stage has been read: the load after next may overwrite it
    buffer = 1 - buffer;
    depth += kStageDepth<T>;
  } while (depth < depths.end);
}

}  // namespace rela
