// The built-in kernels. For every sixteen queries, a warp sweeps over the keys.
//
// Of a short sequence it does so twice: the first sweep finds lse, the second weighs the values
// with exactly the weights that the backward pass will recompute. Of a long one it sweeps once,
// with weights relative to the largest score so far, and rescales its sums whenever a larger one
// comes (Milakov and Gimelshein 2018, arXiv 1805.02867).

#include "kernels/attention/attention_cuda.h"

namespace rela {
namespace {

__device__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

/// Scales the scores of the chunk from `first` on; those past the last token get weight zero.
__device__ void scale_scores(Scores& s, int first, const AttentionShape& d) {
  const float scale = d.scale();
#pragma unroll
  for (int j = 0; j < kAttentionChunk / 8; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      s.v[j][e] = first + score_column(j, e) < d.tokens ? s.v[j][e] * scale : -INFINITY;
    }
  }
}

/// Running log sum exp of one row, chunk by chunk; the sum is this lane's share.
struct RunningLse {
  float largest = -INFINITY;
  float sum = 0.0f;

  /// While every score is minus infinity, exponents are relative to 0.
  __device__ float origin() const { return largest == -INFINITY ? 0.0f : largest; }
  /// Turns the scores into weights relative to the origin. Returns what weights relative to the
  /// origin before are to be multiplied by. `half`: 0 for row g, 1 for row g + 8.
  __device__ float add(Scores& s, int half) {
    float most = largest;
#pragma unroll
    for (int j = 0; j < kAttentionChunk / 8; ++j) {
      most = fmaxf(most, fmaxf(s.v[j][2 * half], s.v[j][2 * half + 1]));
    }
    const float before = largest;
    largest = quad_max(most);
    const float rescaled = __expf(before - origin());
    sum *= rescaled;
#pragma unroll
    for (int j = 0; j < kAttentionChunk / 8; ++j) {
      float(&eight)[4] = s.v[j];
      eight[2 * half] = __expf(eight[2 * half] - origin());
      eight[2 * half + 1] = __expf(eight[2 * half + 1] - origin());
      sum += eight[2 * half] + eight[2 * half + 1];
    }
    return rescaled;
  }
  __device__ float total() const { return quad_sum(sum); }
  __device__ float lse() const { return origin() + logf(total()); }
};

__device__ void write_lse(const float (&row_lse)[2], int first, const AttentionShape& d,
                          float* lse) {
  const ScoreLane lane = score_lane();
  for (int half = 0; half < 2; ++half) {
    const int token = first + lane.row + 8 * half;
    if (lane.pair == 0 && token < d.tokens) lse[d.lse() + token] = row_lse[half];
  }
}

template <class T, int kWidth>
__global__ void __launch_bounds__(kAttentionThreads, kWidth == 64 ? 3 : 2)
    attention_forward_kernel(const AttentionShape d, const T* __restrict__ qkv, T* __restrict__ out,
                             float* __restrict__ lse) {
  SIMT_DYN_SHARED(T, keys);
  const int pitch = staged_pitch<T>(d.width);
  const StagedTokens all{0, d.padded};
  T* const values = keys + all.count * pitch;
  stage_rows(packed_rows(qkv, d, Operand::kKey), d, all, keys);
  stage_rows(packed_rows(qkv, d, Operand::kValue), d, all, values);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();  // this thread's copies
  __syncthreads();           // all threads' copies
  const TokenRows<const T> queries = packed_rows(qkv, d, Operand::kQuery);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  for (int first = warp * kAttentionRows; first < d.tokens; first += kAttentionBlockRows) {
    const RowPair<T> rows(queries, first, d.tokens);
    Scores s;
    RunningLse running[2];
#pragma unroll 1
    for (int column = 0; column < d.tokens; column += kAttentionChunk) {
      multiply_scores(rows, keys + column * pitch, d.width, s);
      scale_scores(s, column, d);
      running[0].add(s, 0);
      running[1].add(s, 1);
    }
    const float row_lse[2] = {running[0].lse(), running[1].lse()};
    WidthSums<kWidth> sums;
#pragma unroll 1
    for (int column = 0; column < d.tokens; column += kAttentionChunk) {
      multiply_scores(rows, keys + column * pitch, d.width, s);
      scale_scores(s, column, d);
#pragma unroll
      for (int j = 0; j < kAttentionChunk / 8; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) s.v[j][e] = __expf(s.v[j][e] - row_lse[e / 2]);
      }
      weigh_columns(s, values + column * pitch, d.width, sums);
    }
    write_rows(sums, output_rows(out, d), first, d, Write::kOverwrite);
    write_lse(row_lse, first, d, lse);
  }
}

/// Multiplies the sums of row g by factor[0], those of row g + 8 by factor[1].
template <class T, int kWidth>
__device__ void scale_rows(WidthSums<kWidth>& sums, const float (&factor)[2]) {
#pragma unroll
  for (int b = 0; b < kWidth / 16; ++b) {
#pragma unroll
    for (int k = 0; k < 8; ++k) sums.v[b][k] *= factor[row_of_sum<T>(k)];
  }
}

template <class T, int kWidth>
__global__ void __launch_bounds__(kAttentionThreads, kWidth == 64 ? 3 : 2)
    attention_streamed_forward_kernel(const AttentionShape d, const T* __restrict__ qkv,
                                      T* __restrict__ out, float* __restrict__ lse) {
  SIMT_DYN_SHARED(T, keys);
  const int pitch = staged_pitch<T>(d.width);
  T* const values = keys + kAttentionTile * pitch;
  const int first = d.first_row();
  const RowPair<T> rows(packed_rows(qkv, d, Operand::kQuery), first, d.tokens);
  RunningLse running[2];
  WidthSums<kWidth> sums;
  for (int tile = 0; tile < d.tokens; tile += kAttentionTile) {
    stage_rows(packed_rows(qkv, d, Operand::kKey), d, {tile, kAttentionTile}, keys);
    stage_rows(packed_rows(qkv, d, Operand::kValue), d, {tile, kAttentionTile}, values);
    simt::cp_async_commit();
    simt::cp_async_wait<0>();  // this thread's copies of a tile
    __syncthreads();           // all threads' copies of a tile
    const int columns = first < d.tokens ? min(d.tokens - tile, kAttentionTile) : 0;
#pragma unroll 1
    for (int column = 0; column < columns; column += kAttentionChunk) {
      Scores s;
      multiply_scores(rows, keys + column * pitch, d.width, s);
      scale_scores(s, tile + column, d);
      const float rescaled[2] = {running[0].add(s, 0), running[1].add(s, 1)};
      scale_rows<T>(sums, rescaled);
      weigh_columns(s, values + column * pitch, d.width, sums);
    }
    __syncthreads();  // the tile has been read
  }
  const float share[2] = {1.0f / running[0].total(), 1.0f / running[1].total()};
  scale_rows<T>(sums, share);
  write_rows(sums, output_rows(out, d), first, d, Write::kOverwrite);
  write_lse({running[0].lse(), running[1].lse()}, first, d, lse);
}

}  // namespace

void attention_forward_kernel_cuda(const AttentionForwardArgs& args, const AttentionDims& dims,
                                   Dtype dtype, Stream stream) {
  if (dims.images * dims.tokens * dims.heads * dims.width == 0) return;
  with_attention_types(dtype, dims.width, [&]<class T>(T*, auto width) {
    constexpr int kWidth = decltype(width)::value;
    const AttentionShape whole(dims);
    const size_t whole_bytes = staged_bytes<T>(whole.padded, whole.width);
    const bool is_short = is_short_sequence(dims, whole_bytes);
    const AttentionShape shape = is_short ? whole : shared_rows(dims);
    const size_t bytes = is_short ? whole_bytes : staged_bytes<T>(kAttentionTile, shape.width);
    simt::launch(is_short ? attention_forward_kernel<T, kWidth>
                          : attention_streamed_forward_kernel<T, kWidth>,
                 {attention_grid(dims, shape), kAttentionThreads, bytes}, stream, shape,
                 static_cast<const T*>(args.qkv), static_cast<T*>(args.out), args.lse);
  });
}

}  // namespace rela
