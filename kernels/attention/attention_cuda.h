#pragma once
// Shared by the attention kernels of both passes: a warp multiplies sixteen tokens (its rows) with
// the tokens in shared memory (its columns). 16-bit types use tensor cores, f32 uses multiply-adds.
// Only .cu files include this.
//
// There are two sets of kernels. Of a short sequence, a block holds all columns and computes all
// rows. Of a long one, blocks share the rows of an image and head, and the columns stream through
// shared memory in tiles; its size does not depend on the number of tokens.
//
// A warp's scores, 16 rows by 32 columns, are laid out as tensor cores produce them, in both types:
// with g = lane / 4 and t = lane % 4, a lane holds rows g and g + 8 at columns 2 t and 2 t + 1 of
// every eight. The layout of the sums over weighted columns differs by type: see weigh_columns().

#include <type_traits>

#include "kernels/attention/attention.h"
#include "kernels/gpu/storage.h"
#include "kernels/simt/device.h"

namespace rela {

inline constexpr int kAttentionWarps = 4;
inline constexpr int kAttentionThreads = 32 * kAttentionWarps;
inline constexpr int kAttentionRows = 16;   // that a warp handles at a time
inline constexpr int kAttentionChunk = 32;  // columns whose scores a warp holds at a time
inline constexpr int kAttentionTile = 64;   // columns in shared memory at a time, if they stream
inline constexpr int kAttentionBlockRows = kAttentionWarps * kAttentionRows;

/// The dims plus values that the kernels derive from them.
struct AttentionShape {
  /// `block_count`: blocks that share the rows of an image and head; they follow one another, so
  /// that what one has read is in the cache for the next.
  explicit AttentionShape(const AttentionDims& d, int64_t block_count = 1)
      : tokens(static_cast<int>(d.tokens)),
        padded(static_cast<int>(ceil_div(d.tokens, kAttentionChunk)) * kAttentionChunk),
        blocks(static_cast<int>(block_count)),
        heads(static_cast<int>(d.heads)),
        width(static_cast<int>(d.width)) {}
  int tokens;
  int padded;  // tokens in shared memory if they all are: those beyond the last are zero
  int blocks;
  int heads, width;

  __device__ int64_t part() const { return int64_t{heads} * width; }  // queries, keys or values
  __device__ unsigned place() const { return blockIdx.x / static_cast<unsigned>(blocks); }
  __device__ int64_t image() const { return place() / static_cast<unsigned>(heads); }
  __device__ int64_t head() const { return place() % static_cast<unsigned>(heads); }
  __device__ int64_t lse() const { return int64_t{place()} * tokens; }  // offset in [N, H, T]
  __device__ float scale() const { return 1.0f / sqrtf(static_cast<float>(width)); }
  /// The first of this warp's rows when blocks share them.
  __device__ int first_row() const {
    const int block = static_cast<int>(blockIdx.x % static_cast<unsigned>(blocks));
    return block * kAttentionBlockRows + static_cast<int>(threadIdx.x) / 32 * kAttentionRows;
  }
};
inline AttentionShape shared_rows(const AttentionDims& d) {
  return AttentionShape(d, ceil_div(d.tokens, kAttentionBlockRows));
}
inline dim3 attention_grid(const AttentionDims& d, const AttentionShape& shape) {
  return dim3(static_cast<unsigned>(d.images * d.heads * shape.blocks));
}

/// Elements from one token to the next in shared memory: 16 bytes keep tokens apart in the banks.
template <class T>
__host__ __device__ constexpr int staged_pitch(int width) {
  return width + 16 / static_cast<int>(sizeof(T));
}
/// Bytes of two operands of that many tokens.
template <class T>
size_t staged_bytes(int tokens, int width) {
  return size_t{2} * static_cast<size_t>(tokens * staged_pitch<T>(width)) * sizeof(T);
}

/// Whether a block holds all tokens. `bytes`: of shared memory that it takes then. GPUs have 99 KiB
/// (compute capability 8.6, 8.9, 12.0) to 227 KiB (9.0, 10.0); with more than some 128 KiB, too few
/// warps would run beside each other.
inline bool is_short_sequence(const AttentionDims& d, size_t bytes) {
  constexpr int64_t kTokens = 256;
  constexpr size_t kBytes = size_t{138}
                            << 10;  // 256 tokens of 64 in f32, padded, and what belongs to them
  return d.tokens <= kTokens && bytes <= std::min(kBytes, simt::max_shared_bytes());
}

/// The tokens of one image and head in global memory.
template <class T>
struct TokenRows {
  T* data;
  int64_t stride;
  __device__ T* at(int token) const { return data + token * stride; }
};
enum class Operand : uint8_t { kQuery, kKey, kValue };
/// The rows of this block, in [N, T, 3, H, D] and in [N, T, H, D].
template <class T>
__device__ inline TokenRows<T> packed_rows(T* qkv, const AttentionShape& d, Operand operand) {
  const int64_t stride = 3 * d.part();
  return {qkv + d.image() * d.tokens * stride + static_cast<int>(operand) * d.part() +
              d.head() * d.width,
          stride};
}
template <class T>
__device__ inline TokenRows<T> output_rows(T* out, const AttentionShape& d) {
  return {out + d.image() * d.tokens * d.part() + d.head() * d.width, d.part()};
}

/// The tokens that shared memory holds: `count`, a multiple of kAttentionChunk, from `first` on.
struct StagedTokens {
  int first, count;
};
/// Starts the copy of an operand to shared memory, [count, pitch]; beyond the last token are zeros.
template <class T>
__device__ inline void stage_rows(const TokenRows<const T>& from, const AttentionShape& d,
                                  const StagedTokens& tokens, T* to) {
  constexpr int kCopied = 16 / static_cast<int>(sizeof(T));
  const int copies = d.width / kCopied;
  for (int i = static_cast<int>(threadIdx.x); i < tokens.count * copies; i += kAttentionThreads) {
    const int row = i / copies, column = i % copies * kCopied;
    T* const place = to + row * staged_pitch<T>(d.width) + column;
    if (tokens.first + row < d.tokens) {
      simt::cp_async16(place, from.at(tokens.first + row) + column);
    } else {
      simt::store16(place, make_uint4(0, 0, 0, 0));
    }
  }
}

/// Position of the calling thread in its warp's scores.
struct ScoreLane {
  int row;   // g
  int pair;  // t
};
__device__ inline ScoreLane score_lane() {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  return {lane / 4, lane % 4};
}

/// The sum over the four lanes that hold a row's scores.
__device__ inline float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

struct Scores {
  float v[kAttentionChunk / 8][4];  // of every eight columns: rows g, g, g + 8, g + 8
};
__device__ inline void clear(Scores& s) {
#pragma unroll
  for (int j = 0; j < kAttentionChunk / 8; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) s.v[j][e] = 0.0f;
  }
}
/// Column of element e of the j-th eight.
__device__ inline int score_column(int j, int e) { return 8 * j + 2 * score_lane().pair + e % 2; }

/// The two rows of a thread. Past the end, the last token repeats; its results are never stored.
template <class T>
struct RowPair {
  __device__ RowPair(const TokenRows<const T>& rows, int first, int tokens)
      : low(rows.at(min(first + score_lane().row, tokens - 1))),
        high(rows.at(min(first + score_lane().row + 8, tokens - 1))) {}
  const T *low, *high;
};

// ---- scores[r, c] = sum_d rows[r, d] staged[c, d], for the kAttentionChunk columns from `staged`
// --

__device__ inline void multiply_scores(const RowPair<float>& rows, const float* staged, int width,
                                       Scores& s) {
  const int pitch = staged_pitch<float>(width);
  clear(s);
  const float* column = staged + 2 * score_lane().pair * pitch;
#pragma unroll 1  // more would spill
  for (int d = 0; d < width; d += 4) {
    const float4 low = simt::load16<float4>(rows.low + d);
    const float4 high = simt::load16<float4>(rows.high + d);
#pragma unroll
    for (int j = 0; j < kAttentionChunk / 8; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const float4 c = simt::load16<float4>(column + (8 * j + e) * pitch + d);
        float& x = s.v[j][e];
        x = fmaf(low.w, c.w, fmaf(low.z, c.z, fmaf(low.y, c.y, fmaf(low.x, c.x, x))));
        float& y = s.v[j][2 + e];
        y = fmaf(high.w, c.w, fmaf(high.z, c.z, fmaf(high.y, c.y, fmaf(high.x, c.x, y))));
      }
    }
  }
}

/// Two neighbours, the first in the lower half; 4-byte aligned.
template <class T>
__device__ inline unsigned load_two(const T* p) {
  static_assert(sizeof(T) == 2);
  return *reinterpret_cast<const unsigned*>(p);
}
template <class T>
__device__ inline void store_two(T* p, unsigned two) {
  static_assert(sizeof(T) == 2);
  *reinterpret_cast<unsigned*>(p) = two;
}

/// The address that this lane gives to ldmatrix for four 8 x 8 tiles of sixteen tokens: the second
/// tile is eight tokens (or eight columns) from the first; the last two are offset along the other
/// axis.
enum class SecondTile : uint8_t { kNextTokens, kNextColumns };
template <SecondTile kSecond, class T>
__device__ inline const T* staged_tiles(const T* staged, int pitch) {
  const int lane = static_cast<int>(threadIdx.x) % 32, tile = lane / 8;
  const bool by_tokens = kSecond == SecondTile::kNextTokens;
  const int token = (by_tokens ? tile % 2 : tile / 2) * 8 + lane % 8;
  const int column = (by_tokens ? tile / 2 : tile % 2) * 8;
  return staged + token * pitch + column;
}

template <class T>
__device__ inline void multiply_scores(const RowPair<T>& rows, const T* staged, int width,
                                       Scores& s) {
  const int pitch = staged_pitch<T>(width);
  clear(s);
  const T* const tiles = staged_tiles<SecondTile::kNextColumns>(staged, pitch);
  const int pair = 2 * score_lane().pair;
#pragma unroll 1  // more would spill
  for (int d = 0; d < width; d += 16) {
    const unsigned left[4] = {load_two(rows.low + d + pair), load_two(rows.high + d + pair),
                              load_two(rows.low + d + pair + 8),
                              load_two(rows.high + d + pair + 8)};
#pragma unroll
    for (int j = 0; j < kAttentionChunk / 16; ++j) {
      unsigned right[4];
      simt::ldmatrix_x4(right, tiles + 16 * j * pitch + d);
      mma_m16n8k16<T>(s.v[2 * j], left, {right[0], right[1]}, s.v[2 * j]);
      mma_m16n8k16<T>(s.v[2 * j + 1], left, {right[2], right[3]}, s.v[2 * j + 1]);
    }
  }
}

// ---- sums[r, d] += sum_c scores[r, c] staged[c, d] ----

/// The sums of a warp's rows over at most kWidth columns.
template <int kWidth>
struct WidthSums {
  float v[kWidth / 16][8] = {};
};
/// Which row the k-th of every eight sums belongs to: 0 for row g, 1 for row g + 8.
template <class T>
__device__ constexpr int row_of_sum(int k) {
  return sizeof(T) == 4 ? k / 4 : k / 2 % 2;
}

/// Each lane takes rows g and g + 8 (four elements each) at columns 4 t to 4 t + 3 of every
/// sixteen, and gets the scores of the other lanes of its rows by shuffles.
template <int kWidth>
__device__ inline void weigh_columns(const Scores& s, const float* staged, int width,
                                     WidthSums<kWidth>& sums) {
  const int pitch = staged_pitch<float>(width);
  const ScoreLane lane = score_lane();
#pragma unroll
  for (int j = 0; j < kAttentionChunk / 8; ++j) {
#pragma unroll 1  // more would spill
    for (int source = 0; source < 4; ++source) {
      float w[4];
#pragma unroll
      for (int e = 0; e < 4; ++e) w[e] = __shfl_sync(0xffffffffu, s.v[j][e], source, 4);
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const float* const column = staged + (8 * j + 2 * source + e) * pitch + 4 * lane.pair;
#pragma unroll
        for (int b = 0; b < kWidth / 16; ++b) {
          if (16 * b >= width) break;
          const float4 x = simt::load16<float4>(column + 16 * b);
          const float elements[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
          for (int k = 0; k < 4; ++k) {
            sums.v[b][k] = fmaf(w[e], elements[k], sums.v[b][k]);
            sums.v[b][4 + k] = fmaf(w[2 + e], elements[k], sums.v[b][4 + k]);
          }
        }
      }
    }
  }
}

/// Each lane takes rows g, g, g + 8, g + 8 at columns 2 t and 2 t + 1 of every eight. The scores
/// are rounded to T.
template <int kWidth, class T>
__device__ inline void weigh_columns(const Scores& s, const T* staged, int width,
                                     WidthSums<kWidth>& sums) {
  const int pitch = staged_pitch<T>(width);
  const T* const tiles = staged_tiles<SecondTile::kNextTokens>(staged, pitch);
#pragma unroll
  for (int j = 0; j < kAttentionChunk / 16; ++j) {
    const auto& first = s.v[2 * j];
    const auto& second = s.v[2 * j + 1];
    const unsigned left[4] = {pack2<T>(first[0], first[1]), pack2<T>(first[2], first[3]),
                              pack2<T>(second[0], second[1]), pack2<T>(second[2], second[3])};
#pragma unroll
    for (int b = 0; b < kWidth / 16; ++b) {
      if (16 * b >= width) break;
      unsigned right[4];
      simt::ldmatrix_x4_transposed(right, tiles + 16 * j * pitch + 16 * b);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const unsigned eight[2] = {right[2 * half], right[2 * half + 1]};
        float c[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) c[k] = sums.v[b][4 * half + k];
        mma_m16n8k16<T>(c, left, eight, c);
#pragma unroll
        for (int k = 0; k < 4; ++k) sums.v[b][4 * half + k] = c[k];
      }
    }
  }
}

// ---- storing sums ----

/// Writes `sums` to the rows from `first` on that are tokens.
template <int kWidth>
__device__ inline void write_rows(const WidthSums<kWidth>& sums, const TokenRows<float>& out,
                                  int first, const AttentionShape& d, Write mode) {
  const ScoreLane lane = score_lane();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int token = first + lane.row + 8 * half;
    if (token >= d.tokens) continue;
#pragma unroll
    for (int b = 0; b < kWidth / 16; ++b) {
      if (16 * b >= d.width) break;
      float* const p = out.at(token) + 16 * b + 4 * lane.pair;
      const float4 old = mode == Write::kAccumulate ? simt::load16<float4>(p) : float4{};
      const float* const x = sums.v[b] + 4 * half;
      simt::store16(p, make_float4(old.x + x[0], old.y + x[1], old.z + x[2], old.w + x[3]));
    }
  }
}
template <int kWidth, class T>
__device__ inline void write_rows(const WidthSums<kWidth>& sums, const TokenRows<T>& out, int first,
                                  const AttentionShape& d, Write mode) {
  const ScoreLane lane = score_lane();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int token = first + lane.row + 8 * half;
    if (token >= d.tokens) continue;
#pragma unroll
    for (int b = 0; b < kWidth / 8; ++b) {  // each of eight columns
      if (8 * b >= d.width) break;
      T* const p = out.at(token) + 8 * b + 2 * lane.pair;
      const unsigned old = mode == Write::kAccumulate ? load_two(p) : 0u;
      const float* const x = sums.v[b / 2] + b % 2 * 4 + 2 * half;
      store_two(p, pack2<T>(to_f32(T{static_cast<uint16_t>(old)}) + x[0],
                            to_f32(T{static_cast<uint16_t>(old >> 16)}) + x[1]));
    }
  }
}

// ---- host side ----

/// body(T*, std::integral_constant<int, kWidth>) with the storage type and an upper bound on the
/// width.
template <class Body>
void with_attention_types(Dtype dtype, int64_t width, Body&& body) {
  with_storage_type(dtype, [&]<class T>(T* type) {
    if (width <= 64) {
      body(type, std::integral_constant<int, 64>{});
    } else {
      body(type, std::integral_constant<int, static_cast<int>(kAttentionWidth)>{});
    }
  });
}

}  // namespace rela
