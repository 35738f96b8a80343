// Three launches: sums of each part of the rows; their merge, which finishes dgamma, dbeta and the
// coefficients of dx; dx. Several processes add up the merged sums between the latter two: four
// launches then.

#include "kernels/norm/batch_norm_cuda.h"

namespace rela {
namespace {

// Sums over rows of g, and of g times x - mean.
enum Partial : int { kGradient, kMoment };
// dx = scale g + slope (x - mean) + offset.
enum Coefficient : int { kSlope, kOffset };

/// What tells where the ReLU was active: nothing (there is no ReLU), x, y, or bits.
enum class Mask : uint8_t { kNone, kFromX, kFromY, kFromBits };

template <class T>
struct Arrays {
  const T* dy;
  const T* x;
  const T* y;
  const uint8_t* mask;
  T* dx;         // null: not needed
  T* dresidual;  // null: not needed, or not in this pass
  const float* gamma;
  const float* beta;
  const float* mean;
  const float* inv_std;
  Write dx_mode;
};

/// One row's elements, as loaded.
struct Row {
  F32x8 dy, x, y;
  unsigned open;
};
template <Rows kRows, Mask kMask, class T>
__device__ Row load_row(const RowTiles& t, const Arrays<T>& a, const TileThread& me, int64_t at) {
  const int count = me.channels;
  Row row;
  row.dy = load_upto8<kRows>(a.dy + at, count);
  row.x = load_upto8<kRows>(a.x + at, count);
  if constexpr (kMask == Mask::kFromY) row.y = load_upto8<kRows>(a.y + at, count);
  if constexpr (kMask == Mask::kFromBits)
    row.open = a.mask[mask_at<kRows>(at, me.channel, t.channels)];
  return row;
}
template <Mask kMask>
inline constexpr int kArraysRead = kMask == Mask::kFromY ? 3 : 2;
/// For the sums, which keep more coefficients if they recompute y.
template <Rows kRows, Mask kMask, class T>
inline constexpr int kSumRowsAhead =
    kMask == Mask::kFromX ? kFewRowsAhead<kRows, T, kArraysRead<kMask>>
                          : kRowsAhead<kRows, T, kArraysRead<kMask>>;

/// The forward pass: y = scale (x - mean) + bias before the ReLU, with the same rounding.
struct Affine {
  F32x8 mean, scale, bias;
};
template <Rows kRows, class T>
__device__ Affine load_affine(const RowTiles& t, const Arrays<T>& a, const TileThread& me) {
  const auto load = [&](const float* p) { return load_upto8<kRows>(p + me.channel, me.channels); };
  Affine f{load(a.mean + blockIdx.z * t.channels), load(a.inv_std + blockIdx.z * t.channels),
           load(a.beta)};
  const F32x8 gamma = load(a.gamma);
#pragma unroll
  for (int k = 0; k < kVector; ++k) f.scale.v[k] *= gamma.v[k];
  return f;
}

/// g: the gradient at the ReLU's input, for element k.
template <Mask kMask>
__device__ float open_gradient(const Row& row, const Affine& f, int k) {
  float y = 1.0f;
  if constexpr (kMask == Mask::kFromX)
    y = fmaf(row.x.v[k] - f.mean.v[k], f.scale.v[k], f.bias.v[k]);
  if constexpr (kMask == Mask::kFromY) y = row.y.v[k];
  if constexpr (kMask == Mask::kFromBits) y = (row.open >> k & 1u) == 0 ? 0.0f : 1.0f;
  return y <= 0.0f ? 0.0f : row.dy.v[k];
}

/// First pass: the sums of one part; stores g in dresidual if requested.
template <Rows kRows, Mask kMask, class T>
__global__ void __launch_bounds__(kRowTileThreads, kRowTileBlocks)
    batch_norm_gradient_sum_kernel(const RowTiles t, const Arrays<T> a,
                                   float* __restrict__ partials) {
  SIMT_SHARED(__align__(16) float, shared, [kRowTileThreads * kVector]);
  const TileThread me = find_tile_thread(t, Sweep::kForward);
  Affine f{};
  if (me.count > 0) f = load_affine<kRows>(t, a, me);
  F32x8 gradient{};
  F32x8 moment{};
  for_each_row<kSumRowsAhead<kRows, kMask, T>>(
      me, t.channels, [&](int64_t at) { return load_row<kRows, kMask>(t, a, me, at); },
      [&](int64_t at, const Row& row) {
        F32x8 g;
#pragma unroll
        for (int k = 0; k < kVector; ++k) {
          g.v[k] = open_gradient<kMask>(row, f, k);
          gradient.v[k] += g.v[k];
          moment.v[k] = fmaf(g.v[k], row.x.v[k] - f.mean.v[k], moment.v[k]);
        }
        if (a.dresidual != nullptr) store_upto8<kRows>(a.dresidual + at, g, me.channels);
      });
  float* out = partials + partial_at(t, blockIdx.z, blockIdx.x, 0);
  sum_slots(t, me, gradient, shared,
            [&](int64_t c, float total) { out[kGradient * t.channels + c] = total; });
  sum_slots(t, me, moment, shared,
            [&](int64_t c, float total) { out[kMoment * t.channels + c] = total; });
}

struct Finish {
  const float* gamma;
  const float* inv_std;
  GradOut dgamma;
  GradOut dbeta;
  NormStatistics statistics;
};

__device__ TwoSums sum_parts(const RowTiles& t, const float* partials, const MergeThread& me,
                             int64_t group) {
  TwoSums sums;
  if (me.column >= t.channels) return sums;
#pragma unroll 4
  for (int64_t part = me.share; part < t.parts; part += kMergeShares) {
    const float* p = partials + partial_at(t, group, part, 0) + me.column;
    sums.first += p[kGradient * t.channels];
    sums.second += p[kMoment * t.channels];
  }
  return sums;
}

__device__ void write_sum(GradOut out, int64_t channel, double sum) {
  if (out.data == nullptr) return;
  float* to = static_cast<float*>(out.data) + channel;
  *to = static_cast<float>(out.mode == Write::kAccumulate ? *to + sum : sum);
}

/// The sums times `share`: 1 over the rows that share the statistics, which gives means; 0 for
/// constant statistics, which have no gradient.
__device__ TwoSums shared_out(const TwoSums& sums, double share) {
  return {sums.first * share, sums.second * share};
}

/// Writes a group's coefficients of dx for channel c, from the means over its rows.
__device__ void write_coefficients(const RowTiles& t, const Finish& args, int64_t group, int64_t c,
                                   const TwoSums& means, float* coefficients) {
  const double inv_std = args.inv_std[group * t.channels + c];
  const double scale = args.gamma[c] * inv_std;
  coefficients[coefficient_at(t, group, kSlope) + c] =
      static_cast<float>(-scale * inv_std * inv_std * means.second);
  coefficients[coefficient_at(t, group, kOffset) + c] = static_cast<float>(-scale * means.first);
}

/// Writes each group's coefficients of dx, and the sums over all groups.
__global__ void __launch_bounds__(kMergeThreads)
    batch_norm_finish_gradients_kernel(const RowTiles t, const float* __restrict__ partials,
                                       float* __restrict__ coefficients, const Finish args) {
  SIMT_SHARED(MergeShared, shared, [1]);
  const MergeThread me = find_merge_thread();
  const int64_t c = me.merged_column;
  const bool finishes = me.finishes && c < t.channels;
  const double share = args.statistics == NormStatistics::kBatch ? 1.0 / t.rows : 0.0;
  TwoSums total;
  for (int64_t g = 0; g < t.groups; ++g) {
    const TwoSums sums = sum_shares(sum_parts(t, partials, me, g), shared[0]);
    if (!finishes) continue;
    write_coefficients(t, args, g, c, shared_out(sums, share), coefficients);
    total.first += sums.first;
    total.second += sums.second * args.inv_std[g * t.channels + c];
  }
  if (!finishes) return;
  write_sum(args.dbeta, c, total.first);
  write_sum(args.dgamma, c, total.second);
}

/// Of several processes, first half: each group's sums, and the gradients over this process's rows.
__global__ void __launch_bounds__(kMergeThreads)
    batch_norm_merge_gradients_kernel(const RowTiles t, const float* __restrict__ partials,
                                      double* __restrict__ out, const Finish args) {
  SIMT_SHARED(MergeShared, shared, [1]);
  write_row_count(t, out);
  const MergeThread me = find_merge_thread();
  const int64_t c = me.merged_column;
  const bool finishes = me.finishes && c < t.channels;
  TwoSums total;
  for (int64_t g = 0; g < t.groups; ++g) {
    const TwoSums sums = sum_shares(sum_parts(t, partials, me, g), shared[0]);
    if (!finishes) continue;
    double* to = out + g * kNormSums * t.channels + c;
    to[0] = sums.first;
    to[t.channels] = sums.second;
    total.first += sums.first;
    total.second += sums.second * args.inv_std[g * t.channels + c];
  }
  if (!finishes) return;
  write_sum(args.dbeta, c, total.first);
  write_sum(args.dgamma, c, total.second);
}

/// Second half: each group's coefficients of dx, from sums over all processes.
__global__ void __launch_bounds__(kRowTileThreads)
    batch_norm_merged_coefficients_kernel(const RowTiles t, const double* __restrict__ sums,
                                          float* __restrict__ coefficients, const Finish args) {
  const int64_t c = int64_t{blockIdx.x} * kRowTileThreads + threadIdx.x;
  if (c >= t.channels) return;
  const double share = 1.0 / sums[row_count_at(t.groups, t.channels)];
  for (int64_t g = 0; g < t.groups; ++g) {
    const double* in = sums + g * kNormSums * t.channels + c;
    const TwoSums means = shared_out({in[0], in[t.channels]}, share);
    write_coefficients(t, args, g, c, means, coefficients);
  }
}

/// Second pass: dx, then dresidual += g if requested (it may be the same memory).
template <Rows kRows, Mask kMask, class T>
__global__ void __launch_bounds__(kRowTileThreads, kRowTileBlocks)
    batch_norm_dx_kernel(const RowTiles t, const Arrays<T> a,
                         const float* __restrict__ coefficients) {
  const TileThread me = find_tile_thread(t, Sweep::kBackward);
  if (me.count == 0) return;
  const Affine f = load_affine<kRows>(t, a, me);
  const auto coefficient = [&](int index) {
    return load_upto8<kRows>(coefficients + coefficient_at(t, blockIdx.z, index) + me.channel,
                             me.channels);
  };
  const F32x8 slope = coefficient(kSlope);
  const F32x8 offset = coefficient(kOffset);
  for_each_row<kFewRowsAhead<kRows, T, kArraysRead<kMask>>>(
      me, t.channels, [&](int64_t at) { return load_row<kRows, kMask>(t, a, me, at); },
      [&](int64_t at, const Row& row) {
        F32x8 g;
        F32x8 dx;
#pragma unroll
        for (int k = 0; k < kVector; ++k) {
          g.v[k] = open_gradient<kMask>(row, f, k);
          const float through = fmaf(slope.v[k], row.x.v[k] - f.mean.v[k], offset.v[k]);
          dx.v[k] = fmaf(f.scale.v[k], g.v[k], through);
        }
        if (a.dx != nullptr) write_upto8<kRows>(a.dx + at, dx, me.channels, a.dx_mode);
        if (a.dresidual != nullptr) {
          write_upto8<kRows>(a.dresidual + at, g, me.channels, Write::kAccumulate);
        }
      });
}

template <Rows kRows, Mask kMask, class T>
void launch_sums(const RowTiles& t, const Arrays<T>& a, float* partials, Stream stream) {
  simt::launch(batch_norm_gradient_sum_kernel<kRows, kMask, T>, {t.grid(), kRowTileThreads}, stream,
               t, a, partials);
}
template <Rows kRows, Mask kMask, class T>
void launch_dx(const RowTiles& t, const Arrays<T>& a, const float* coefficients, Stream stream) {
  simt::launch(batch_norm_dx_kernel<kRows, kMask, T>, {t.grid(), kRowTileThreads}, stream, t, a,
               coefficients);
}

template <class T>
Arrays<T> arrays_of(const BatchNormBackwardArgs& args) {
  return {static_cast<const T*>(args.dy),
          static_cast<const T*>(args.x),
          static_cast<const T*>(args.y),
          args.mask,
          static_cast<T*>(args.dx.data),
          static_cast<T*>(args.dresidual.data),
          args.gamma,
          args.beta,
          args.mean,
          args.inv_std,
          args.dx.mode};
}

/// What the passes that follow the merge need besides the coefficients.
bool adds_dresidual(const BatchNormBackwardArgs& args) {
  return args.dresidual.data != nullptr && args.dresidual.mode == Write::kAccumulate;
}

template <Rows kRows, Mask kMask, class T>
void sum_pass(const RowTiles& t, const BatchNormBackwardArgs& args,
              const BatchNormScratchCuda& scratch, Stream stream) {
  Arrays<T> a = arrays_of<T>(args);
  if (adds_dresidual(args)) a.dresidual = nullptr;
  launch_sums<kRows, kMask>(t, a, scratch.partials, stream);
}

template <Rows kRows, Mask kMask, class T>
void dx_pass(const RowTiles& t, const BatchNormBackwardArgs& args,
             const BatchNormScratchCuda& scratch, Stream stream) {
  if (args.dx.data == nullptr && !adds_dresidual(args)) return;
  Arrays<T> a = arrays_of<T>(args);
  if (a.dresidual != nullptr && !adds_dresidual(args)) {
    a.dy = a.dresidual;  // holds g: the mask is already applied there
    a.dresidual = nullptr;
    launch_dx<kRows, Mask::kNone>(t, a, scratch.coefficients, stream);
  } else {
    launch_dx<kRows, kMask>(t, a, scratch.coefficients, stream);
  }
}

/// Which part of a backward pass to launch.
enum class Pass : uint8_t { kSums, kDx };

/// The part, as instantiated for the storage, the rows and what tells where the ReLU was active.
void launch_pass(Pass pass, const RowTiles& t, const BatchNormBackwardArgs& args,
                 const BatchNormConfig& config, const BatchNormScratchCuda& scratch,
                 Stream stream) {
  const Rows rows =
      kind_of_rows(t.channels, args.dy, args.x, args.y, args.dx.data, args.dresidual.data,
                   args.gamma, args.beta, args.mean, args.inv_std, scratch.coefficients);
  const auto with_mask = [&]<Rows kRows, class T>(auto mask) {
    constexpr Mask kMask = decltype(mask)::value;
    if (pass == Pass::kSums) {
      sum_pass<kRows, kMask, T>(t, args, scratch, stream);
    } else {
      dx_pass<kRows, kMask, T>(t, args, scratch, stream);
    }
  };
  with_storage_type(config.dtype, [&]<class T>(T*) {
    with_rows(rows, [&]<Rows kRows>() {
      if (!config.relu) {
        with_mask.template operator()<kRows, T>(std::integral_constant<Mask, Mask::kNone>{});
      } else if (args.mask != nullptr) {
        with_mask.template operator()<kRows, T>(std::integral_constant<Mask, Mask::kFromBits>{});
      } else if (args.y == nullptr) {
        with_mask.template operator()<kRows, T>(std::integral_constant<Mask, Mask::kFromX>{});
      } else {
        with_mask.template operator()<kRows, T>(std::integral_constant<Mask, Mask::kFromY>{});
      }
    });
  });
}

Finish finish_args(const BatchNormBackwardArgs& args, NormStatistics statistics) {
  return {args.gamma, args.inv_std, args.dgamma, args.dbeta, statistics};
}

/// No rows: the sums are empty.
void write_empty_sums(const BatchNormBackwardArgs& args, int64_t channels, Stream stream) {
  RowTiles t(1, 1, channels);
  t.groups = 0;
  simt::launch(batch_norm_finish_gradients_kernel, {merge_grid(channels), kMergeThreads}, stream, t,
               nullptr, nullptr, finish_args(args, NormStatistics::kBatch));
}

}  // namespace

void batch_norm_backward_cuda(const BatchNormBackwardArgs& args, const BatchNormConfig& config,
                              const BatchNormDims& dims, Workspace workspace, Stream stream) {
  if (dims.channels == 0) return;
  if (dims.rows == 0) return write_empty_sums(args, dims.channels, stream);
  const RowTiles t(dims.groups, dims.rows, dims.channels);
  const BatchNormScratchCuda scratch(t, workspace);
  launch_pass(Pass::kSums, t, args, config, scratch, stream);
  simt::launch(batch_norm_finish_gradients_kernel, {merge_grid(t.channels), kMergeThreads}, stream,
               t, scratch.partials, scratch.coefficients, finish_args(args, config.statistics));
  launch_pass(Pass::kDx, t, args, config, scratch, stream);
}

void batch_norm_gradient_sums_cuda(const BatchNormBackwardArgs& args, const BatchNormConfig& config,
                                   const BatchNormDims& dims, double* sums, Workspace workspace,
                                   Stream stream) {
  const RowTiles t(dims.groups, dims.rows, dims.channels);
  const BatchNormScratchCuda scratch(t, workspace);
  launch_pass(Pass::kSums, t, args, config, scratch, stream);
  simt::launch(batch_norm_merge_gradients_kernel, {merge_grid(t.channels), kMergeThreads}, stream,
               t, scratch.partials, sums, finish_args(args, config.statistics));
}

void batch_norm_merged_backward_cuda(const BatchNormBackwardArgs& args,
                                     const BatchNormConfig& config, const BatchNormDims& dims,
                                     const double* sums, Workspace workspace, Stream stream) {
  const RowTiles t(dims.groups, dims.rows, dims.channels);
  const BatchNormScratchCuda scratch(t, workspace);
  const auto blocks = static_cast<unsigned>((t.channels + kRowTileThreads - 1) / kRowTileThreads);
  simt::launch(batch_norm_merged_coefficients_kernel, {blocks, kRowTileThreads}, stream, t, sums,
               scratch.coefficients, finish_args(args, config.statistics));
  launch_pass(Pass::kDx, t, args, config, scratch, stream);
}

}  // namespace rela
