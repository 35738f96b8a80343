// The gradients have two halves of the same form: rows of queries against the keys and values in
// shared memory give dq, rows of keys and values against the queries and output gradients give dk
// and dv. Each gradient is summed in one warp's registers. Of a short sequence, a block computes
// both halves; of a long one, each half has a kernel.

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

/// For every query in shared memory: lse, and delta = dout . out. Past the last token both are 0: a
/// weight of 1 there multiplies rows of zeros.
struct QueryStatistics {
  float *lse, *delta;  // in shared memory
};
inline size_t statistics_bytes(int tokens) {
  return size_t{2} * static_cast<size_t>(tokens) * sizeof(float);
}

/// A warp takes one query at a time.
template <class T>
__device__ void find_statistics(const Problem<T>& p, const AttentionShape& d,
                                const StagedTokens& tokens, const QueryStatistics& s) {
  const TokenRows<const T> out = output_rows(p.out, d), dout = output_rows(p.dout, d);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int row = static_cast<int>(threadIdx.x) / 32; row < tokens.count; row += kAttentionWarps) {
    const int token = tokens.first + row;
    float dot = 0.0f;
    if (token < d.tokens) {
      for (int c = lane; c < d.width; c += 32) {
        dot = fmaf(load_f32(dout.at(token) + c), load_f32(out.at(token) + c), dot);
      }
    }
    dot = warp_sum(dot);
    if (lane != 0) continue;
    s.lse[row] = token < d.tokens ? p.lse[d.lse() + token] : 0.0f;
    s.delta[row] = dot;
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

/// Two operands in shared memory.
template <class T>
struct Staged {
  const T *first, *second;
  /// From that token on.
  __device__ Staged from(int token, int pitch) const {
    return {first + token * pitch, second + token * pitch};
  }
};

/// Sixteen queries of a warp.
template <class T>
struct QueryRows {
  __device__ QueryRows(const Problem<T>& p, const AttentionShape& d, int first)
      : q(packed_rows(p.qkv, d, Operand::kQuery), first, d.tokens),
        dout(output_rows(p.dout, d), first, d.tokens) {}
  RowPair<T> q, dout;
};
/// What a thread's two queries need besides.
struct QueryPair {
  float lse[2], delta[2];
};

/// Adds to dq what the keys and values of one chunk contribute, `tokens` of which exist.
template <int kWidth, class T>
__device__ void add_query_gradient(const QueryRows<T>& rows, const QueryPair& query,
                                   const Staged<T>& chunk, int tokens, const AttentionShape& d,
                                   WidthSums<kWidth>& dq) {
  Scores weights, ds;
  multiply_scores(rows.q, chunk.first, d.width, weights);
  multiply_scores(rows.dout, chunk.second, d.width, ds);
  differentiate_scores(weights, ds, d.scale(), [&](int j, int e) {
    // Past the last token rows are zeros, but exp(0 - lse) may be infinite.
    const bool is_token = score_column(j, e) < tokens;
    return make_float2(is_token ? query.lse[e / 2] : INFINITY, query.delta[e / 2]);
  });
  weigh_columns(ds, chunk.first, d.width, dq);
}

/// Sixteen keys and values of a warp.
template <class T>
struct KeyRows {
  __device__ KeyRows(const Problem<T>& p, const AttentionShape& d, int first)
      : k(packed_rows(p.qkv, d, Operand::kKey), first, d.tokens),
        v(packed_rows(p.qkv, d, Operand::kValue), first, d.tokens) {}
  RowPair<T> k, v;
};
template <int kWidth>
struct KeyGradient {
  WidthSums<kWidth> dk, dv;
};

/// Adds to dk and dv what the queries and output gradients of one chunk contribute; the chunk is
/// `column` tokens into those of the statistics.
template <int kWidth, class T>
__device__ void add_key_gradient(const KeyRows<T>& rows, const Staged<T>& chunk, int column,
                                 const QueryStatistics& s, const AttentionShape& d,
                                 KeyGradient<kWidth>& sums) {
  Scores weights, ds;
  multiply_scores(rows.k, chunk.first, d.width, weights);
  multiply_scores(rows.v, chunk.second, d.width, ds);
  differentiate_scores(weights, ds, d.scale(), [&](int j, int e) {
    const int query = column + score_column(j, e);
    return make_float2(s.lse[query], s.delta[query]);
  });
  weigh_columns(ds, chunk.first, d.width, sums.dk);
  weigh_columns(weights, chunk.second, d.width, sums.dv);
}

template <int kWidth, class T>
__device__ void write_key_gradient(const KeyGradient<kWidth>& sums, const Problem<T>& p, int first,
                                   const AttentionShape& d) {
  write_rows(sums.dk, packed_rows(p.dqkv, d, Operand::kKey), first, d, p.mode);
  write_rows(sums.dv, packed_rows(p.dqkv, d, Operand::kValue), first, d, p.mode);
}

// ---- short sequences ----

/// dq of sixteen queries.
template <int kWidth, class T>
__device__ void differentiate_queries(const Problem<T>& p, const AttentionShape& d, int first,
                                      const Staged<T>& staged, const QueryStatistics& s) {
  const int pitch = staged_pitch<T>(d.width);
  const QueryRows<T> rows(p, d, first);
  const int low = first + score_lane().row;  // first + 15 < padded
  const QueryPair query{{s.lse[low], s.lse[low + 8]}, {s.delta[low], s.delta[low + 8]}};
  WidthSums<kWidth> dq;
#pragma unroll 1
  for (int column = 0; column < d.tokens; column += kAttentionChunk) {
    add_query_gradient(rows, query, staged.from(column, pitch), d.tokens - column, d, dq);
  }
  write_rows(dq, packed_rows(p.dqkv, d, Operand::kQuery), first, d, p.mode);
}

/// dk and dv of sixteen keys.
template <int kWidth, class T>
__device__ void differentiate_keys(const Problem<T>& p, const AttentionShape& d, int first,
                                   const Staged<T>& staged, const QueryStatistics& s) {
  const int pitch = staged_pitch<T>(d.width);
  const KeyRows<T> rows(p, d, first);
  KeyGradient<kWidth> sums;
#pragma unroll 1
  for (int column = 0; column < d.tokens; column += kAttentionChunk) {
    add_key_gradient(rows, staged.from(column, pitch), column, s, d, sums);
  }
  write_key_gradient(sums, p, first, d);
}

template <class T, int kWidth>
__global__ void __launch_bounds__(kAttentionThreads, kWidth == 64 ? 3 : 2)
    attention_backward_kernel(const AttentionShape d, const Problem<T> p) {
  SIMT_DYN_SHARED(T, first_operand);
  const StagedTokens all{0, d.padded};
  T* const second_operand = first_operand + all.count * staged_pitch<T>(d.width);
  float* const lse =
      reinterpret_cast<float*>(second_operand + all.count * staged_pitch<T>(d.width));
  const QueryStatistics statistics{lse, lse + all.count};
  const Staged<T> staged{first_operand, second_operand};
  const int begin = static_cast<int>(threadIdx.x) / 32 * kAttentionRows;

  stage_rows(packed_rows(p.qkv, d, Operand::kKey), d, all, first_operand);
  stage_rows(packed_rows(p.qkv, d, Operand::kValue), d, all, second_operand);
  simt::cp_async_commit();
  find_statistics(p, d, all, statistics);
  simt::cp_async_wait<0>();  // this thread's copies of keys and values
  __syncthreads();           // all threads' copies, and the statistics
  for (int first = begin; first < d.tokens; first += kAttentionBlockRows) {
    differentiate_queries<kWidth>(p, d, first, staged, statistics);
  }
  __syncthreads();  // keys and values have been read
  stage_rows(packed_rows(p.qkv, d, Operand::kQuery), d, all, first_operand);
  stage_rows(output_rows(p.dout, d), d, all, second_operand);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();  // this thread's copies of queries and gradients
  __syncthreads();           // everybody's
  for (int first = begin; first < d.tokens; first += kAttentionBlockRows) {
    differentiate_keys<kWidth>(p, d, first, staged, statistics);
  }
}

// ---- long sequences ----

/// lse and delta of a thread's two queries. Past the end, the last token repeats.
template <class T>
__device__ QueryPair query_pair(const Problem<T>& p, const AttentionShape& d, int first) {
  const RowPair<T> out(output_rows(p.out, d), first, d.tokens);
  const RowPair<T> dout(output_rows(p.dout, d), first, d.tokens);
  float low = 0.0f, high = 0.0f;
  for (int c = score_lane().pair; c < d.width; c += 4) {
    low = fmaf(load_f32(dout.low + c), load_f32(out.low + c), low);
    high = fmaf(load_f32(dout.high + c), load_f32(out.high + c), high);
  }
  const float* const lse = p.lse + d.lse();
  const int row = first + score_lane().row;
  return {{lse[min(row, d.tokens - 1)], lse[min(row + 8, d.tokens - 1)]},
          {quad_sum(low), quad_sum(high)}};
}

template <class T, int kWidth>
__global__ void __launch_bounds__(kAttentionThreads, kWidth == 64 ? 3 : 2)
    attention_query_gradient_kernel(const AttentionShape d, const Problem<T> p) {
  SIMT_DYN_SHARED(T, keys);
  const int pitch = staged_pitch<T>(d.width);
  T* const values = keys + kAttentionTile * pitch;
  const int first = d.first_row();
  const QueryRows<T> rows(p, d, first);
  const QueryPair query = query_pair(p, d, first);
  WidthSums<kWidth> dq;
  for (int tile = 0; tile < d.tokens; tile += kAttentionTile) {
    stage_rows(packed_rows(p.qkv, d, Operand::kKey), d, {tile, kAttentionTile}, keys);
    stage_rows(packed_rows(p.qkv, d, Operand::kValue), d, {tile, kAttentionTile}, values);
    simt::cp_async_commit();
    simt::cp_async_wait<0>();  // this thread's copies of a tile of keys and values
    __syncthreads();           // all threads' copies of keys and values
    const int columns = first < d.tokens ? min(d.tokens - tile, kAttentionTile) : 0;
#pragma unroll 1
    for (int column = 0; column < columns; column += kAttentionChunk) {
      const Staged<T> chunk = Staged<T>{keys, values}.from(column, pitch);
      add_query_gradient(rows, query, chunk, d.tokens - tile - column, d, dq);
    }
    __syncthreads();  // the tile of keys and values has been read
  }
  write_rows(dq, packed_rows(p.dqkv, d, Operand::kQuery), first, d, p.mode);
}

template <class T, int kWidth>
__global__ void __launch_bounds__(kAttentionThreads, kWidth == 64 ? 3 : 2)
    attention_key_gradient_kernel(const AttentionShape d, const Problem<T> p) {
  SIMT_DYN_SHARED(T, queries);
  const int pitch = staged_pitch<T>(d.width);
  T* const douts = queries + kAttentionTile * pitch;
  float* const lse = reinterpret_cast<float*>(douts + kAttentionTile * pitch);
  const QueryStatistics statistics{lse, lse + kAttentionTile};
  const int first = d.first_row();
  const KeyRows<T> rows(p, d, first);
  KeyGradient<kWidth> sums;
  for (int tile = 0; tile < d.tokens; tile += kAttentionTile) {
    stage_rows(packed_rows(p.qkv, d, Operand::kQuery), d, {tile, kAttentionTile}, queries);
    stage_rows(output_rows(p.dout, d), d, {tile, kAttentionTile}, douts);
    simt::cp_async_commit();
    find_statistics(p, d, {tile, kAttentionTile}, statistics);
    simt::cp_async_wait<0>();  // this thread's copies of a tile of queries and gradients
    __syncthreads();           // all threads' copies of queries and gradients, and the statistics
    const int columns = first < d.tokens ? min(d.tokens - tile, kAttentionTile) : 0;
#pragma unroll 1
    for (int column = 0; column < columns; column += kAttentionChunk) {
      const Staged<T> chunk = Staged<T>{queries, douts}.from(column, pitch);
      add_key_gradient(rows, chunk, column, statistics, d, sums);
    }
    __syncthreads();  // the tile of queries and gradients has been read
  }
  write_key_gradient(sums, p, first, d);
}

template <class T>
size_t whole_bytes(const AttentionShape& shape) {
  return staged_bytes<T>(shape.padded, shape.width) + statistics_bytes(shape.padded);
}

template <class T, int kWidth>
void launch_whole(const Problem<T>& problem, const AttentionDims& dims, Stream stream) {
  const AttentionShape shape(dims);
  const size_t bytes = whole_bytes<T>(shape);
  simt::launch(attention_backward_kernel<T, kWidth>,
               {attention_grid(dims, shape), kAttentionThreads, bytes}, stream, shape, problem);
}

template <class T, int kWidth>
void launch_streamed(const Problem<T>& problem, const AttentionDims& dims, Stream stream) {
  const AttentionShape shape = shared_rows(dims);
  const dim3 grid = attention_grid(dims, shape);
  const size_t bytes = staged_bytes<T>(kAttentionTile, shape.width);
  simt::launch(attention_query_gradient_kernel<T, kWidth>, {grid, kAttentionThreads, bytes}, stream,
               shape, problem);
  simt::launch(attention_key_gradient_kernel<T, kWidth>,
               {grid, kAttentionThreads, bytes + statistics_bytes(kAttentionTile)}, stream, shape,
               problem);
}

}  // namespace

void attention_backward_cuda(const AttentionBackwardArgs& args, const AttentionDims& dims,
                             Dtype dtype, Stream stream) {
  if (dims.images * dims.tokens * dims.heads * dims.width == 0) return;
  with_attention_types(dtype, dims.width, [&]<class T>(T*, auto width) {
    constexpr int kWidth = decltype(width)::value;
    const Problem<T> problem{static_cast<const T*>(args.qkv),  static_cast<const T*>(args.out),
                             static_cast<const T*>(args.dout), args.lse,
                             static_cast<T*>(args.dqkv.data),  args.dqkv.mode};
    const bool is_short = is_short_sequence(dims, whole_bytes<T>(AttentionShape(dims)));
    const auto launch = is_short ? launch_whole<T, kWidth> : launch_streamed<T, kWidth>;
    launch(problem, dims, stream);
  });
}

}  // namespace rela
