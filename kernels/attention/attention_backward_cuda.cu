// A block computes the gradients of one image and head, in two halves of the same form: rows of
// queries against the keys and values in shared memory give dq, rows of keys and values against
// the queries and output gradients give dk and dv. Each gradient is summed in one warp's registers.

#include "kernels/attention/attention_cuda.h"
#include "kernels/gpu/reduce.h"

namespace rela {
namespace {

template <class T>
struct Problem {
  const T *qkv, *out, *dout;
  const float* lse;
  T* dqkv;
  Write mode;
};

/// For every query: lse, and delta = dout . out. Past the last token both are 0: a weight of 1
/// there multiplies rows of zeros.
struct QueryStatistics {
  float *lse, *delta;  // [padded], in shared memory
};

/// A warp takes one query at a time.
template <class T>
__device__ void find_statistics(const Problem<T>& p, const AttentionShape& d,
                                const QueryStatistics& s) {
  const TokenRows<const T> out = output_rows(p.out, d), dout = output_rows(p.dout, d);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int token = static_cast<int>(threadIdx.x) / 32; token < d.padded; token += kAttentionWarps) {
    float dot = 0.0f;
    if (token < d.tokens) {
      for (int c = lane; c < d.width; c += 32) {
        dot = fmaf(load_f32(dout.at(token) + c), load_f32(out.at(token) + c), dot);
      }
    }
    dot = warp_sum(dot);
    if (lane != 0) continue;
    s.lse[token] = token < d.tokens ? p.lse[int64_t{blockIdx.x} * d.tokens + token] : 0.0f;
    s.delta[token] = dot;
  }
}

/// Turns q . k in `p` and dout . v in `ds` into the weights and their gradient; of(j, e) is {lse,
/// delta} of an element's query.
template <class Of>
__device__ void differentiate_scores(Scores& p, Scores& ds, float scale, const Of& of) {
#pragma unroll
  for (int j = 0; j < kAttentionChunk / 8; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const float2 query = of(j, e);
      const float weight = __expf(p.v[j][e] * scale - query.x);
      p.v[j][e] = weight;
      ds.v[j][e] = scale * weight * (ds.v[j][e] - query.y);
    }
  }
}

/// dq of sixteen queries.
template <int kWidth, class T>
__device__ void differentiate_queries(const Problem<T>& p, const AttentionShape& d, int first,
                                      const T* keys, const T* values, const QueryStatistics& s) {
  const int pitch = staged_pitch<T>(d.width);
  const RowPair<T> q(packed_rows(p.qkv, d, Operand::kQuery), first, d.tokens);
  const RowPair<T> dout(output_rows(p.dout, d), first, d.tokens);
  const int low = first + score_lane().row;  // first + 15 < padded
  const float lse[2] = {s.lse[low], s.lse[low + 8]}, delta[2] = {s.delta[low], s.delta[low + 8]};
  WidthSums<kWidth> dq;
#pragma unroll 1
  for (int column = 0; column < d.tokens; column += kAttentionChunk) {
    Scores weights, ds;
    multiply_scores(q, keys + column * pitch, d.width, weights);
    multiply_scores(dout, values + column * pitch, d.width, ds);
    differentiate_scores(weights, ds, d.scale(), [&](int j, int e) {
      // Past the last token rows are zeros, but exp(0 - lse) may be infinite.
      const bool is_token = column + score_column(j, e) < d.tokens;
      return make_float2(is_token ? lse[e / 2] : INFINITY, delta[e / 2]);
    });
    weigh_columns(ds, keys + column * pitch, d.width, dq);
  }
  write_rows(dq, packed_rows(p.dqkv, d, Operand::kQuery), first, d, p.mode);
}

/// dk and dv of sixteen keys.
template <int kWidth, class T>
__device__ void differentiate_keys(const Problem<T>& p, const AttentionShape& d, int first,
                                   const T* queries, const T* douts, const QueryStatistics& s) {
  const int pitch = staged_pitch<T>(d.width);
  const RowPair<T> k(packed_rows(p.qkv, d, Operand::kKey), first, d.tokens);
  const RowPair<T> v(packed_rows(p.qkv, d, Operand::kValue), first, d.tokens);
  WidthSums<kWidth> dk, dv;
#pragma unroll 1
  for (int column = 0; column < d.tokens; column += kAttentionChunk) {
    Scores weights, ds;
    multiply_scores(k, queries + column * pitch, d.width, weights);
    multiply_scores(v, douts + column * pitch, d.width, ds);
    differentiate_scores(weights, ds, d.scale(), [&](int j, int e) {
      const int query = column + score_column(j, e);
      return make_float2(s.lse[query], s.delta[query]);
    });
    weigh_columns(ds, queries + column * pitch, d.width, dk);
    weigh_columns(weights, douts + column * pitch, d.width, dv);
  }
  write_rows(dk, packed_rows(p.dqkv, d, Operand::kKey), first, d, p.mode);
  write_rows(dv, packed_rows(p.dqkv, d, Operand::kValue), first, d, p.mode);
}

template <class T, int kWidth>
__global__ void __launch_bounds__(kAttentionThreads, kWidth == 64 ? 3 : 2)
    attention_backward_kernel(const AttentionShape d, const Problem<T> p) {
  SIMT_DYN_SHARED(T, first_operand);
  T* const second_operand = first_operand + d.padded * staged_pitch<T>(d.width);
  float* const lse = reinterpret_cast<float*>(second_operand + d.padded * staged_pitch<T>(d.width));
  const QueryStatistics statistics{lse, lse + d.padded};
  const int begin = static_cast<int>(threadIdx.x) / 32 * kAttentionRows;
  constexpr int kStep = kAttentionWarps * kAttentionRows;

  stage_rows(packed_rows(p.qkv, d, Operand::kKey), d, first_operand);
  stage_rows(packed_rows(p.qkv, d, Operand::kValue), d, second_operand);
  simt::cp_async_commit();
  find_statistics(p, d, statistics);
  simt::cp_async_wait<0>();  // this thread's copies of keys and values
  __syncthreads();           // all threads' copies, and the statistics
  for (int first = begin; first < d.tokens; first += kStep) {
    differentiate_queries<kWidth>(p, d, first, first_operand, second_operand, statistics);
  }
  __syncthreads();  // keys and values have been read
  stage_rows(packed_rows(p.qkv, d, Operand::kQuery), d, first_operand);
  stage_rows(output_rows(p.dout, d), d, second_operand);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();  // this thread's copies of queries and gradients
  __syncthreads();           // everybody's
  for (int first = begin; first < d.tokens; first += kStep) {
    differentiate_keys<kWidth>(p, d, first, first_operand, second_operand, statistics);
  }
}

}  // namespace

void attention_backward_cuda(const AttentionBackwardArgs& args, const AttentionDims& dims,
                             Dtype dtype, Stream stream) {
  if (dims.images * dims.tokens * dims.heads * dims.width == 0) return;
  const AttentionShape shape(dims);
  const size_t statistics_bytes = size_t{2} * static_cast<size_t>(shape.padded) * sizeof(float);
  with_attention_types(dtype, dims.width, [&]<class T>(T*, auto width) {
    const Problem<T> problem{static_cast<const T*>(args.qkv),  static_cast<const T*>(args.out),
                             static_cast<const T*>(args.dout), args.lse,
                             static_cast<T*>(args.dqkv.data),  args.dqkv.mode};
    simt::launch(
        attention_backward_kernel<T, decltype(width)::value>,
        {attention_grid(dims), kAttentionThreads, staged_bytes<T>(shape) + statistics_bytes},
        stream, shape, problem);
  });
}

}  // namespace rela
