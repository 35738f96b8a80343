// The built-in kernel. For every sixteen queries, a warp sweeps over the keys twice: the first
// sweep finds lse, the second weighs the values with exactly the weights that the backward pass
// will recompute.

#include "kernels/attention/attention_cuda.h"

namespace rela {
namespace {

__device__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
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
  /// `half`: 0 for row g, 1 for row g + 8.
  __device__ void add(const Scores& s, int half) {
    float most = largest;
#pragma unroll
    for (const auto& eight : s.v) most = fmaxf(most, fmaxf(eight[2 * half], eight[2 * half + 1]));
    const float before = largest;
    largest = quad_max(most);
    sum *= __expf(before - origin());
#pragma unroll
    for (const auto& eight : s.v) {
      sum += __expf(eight[2 * half] - origin()) + __expf(eight[2 * half + 1] - origin());
    }
  }
  __device__ float lse() const { return origin() + logf(quad_sum(sum)); }
};

template <class T, int kWidth>
__global__ void __launch_bounds__(kAttentionThreads, kWidth == 64 ? 3 : 2)
    attention_forward_kernel(const AttentionShape d, const T* __restrict__ qkv, T* __restrict__ out,
                             float* __restrict__ lse) {
  SIMT_DYN_SHARED(T, keys);
  const int pitch = staged_pitch<T>(d.width);
  T* const values = keys + d.padded * pitch;
  stage_rows(packed_rows(qkv, d, Operand::kKey), d, keys);
  stage_rows(packed_rows(qkv, d, Operand::kValue), d, values);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();  // this thread's copies
  __syncthreads();           // all threads' copies
  const TokenRows<const T> queries = packed_rows(qkv, d, Operand::kQuery);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  for (int first = warp * kAttentionRows; first < d.tokens;
       first += kAttentionWarps * kAttentionRows) {
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
      for (auto& eight : s.v) {
#pragma unroll
        for (int e = 0; e < 4; ++e) eight[e] = __expf(eight[e] - row_lse[e / 2]);
      }
      weigh_columns(s, values + column * pitch, d.width, sums);
    }
    write_rows(sums, output_rows(out, d), first, d, Write::kOverwrite);
    const ScoreLane lane = score_lane();
    for (int half = 0; half < 2; ++half) {
      const int token = first + lane.row + 8 * half;
      if (lane.pair == 0 && token < d.tokens) {
        lse[int64_t{blockIdx.x} * d.tokens + token] = row_lse[half];
      }
    }
  }
}

}  // namespace

void attention_forward_kernel_cuda(const AttentionForwardArgs& args, const AttentionDims& dims,
                                   Dtype dtype, Stream stream) {
  if (dims.images * dims.tokens * dims.heads * dims.width == 0) return;
  const AttentionShape shape(dims);
  with_attention_types(dtype, dims.width, [&]<class T>(T*, auto width) {
    simt::launch(attention_forward_kernel<T, decltype(width)::value>,
                 {attention_grid(dims), kAttentionThreads, staged_bytes<T>(shape)}, stream, shape,
                 static_cast<const T*>(args.qkv), static_cast<T*>(args.out), args.lse);
  });
}

}  // namespace rela
