// Three launches: sums of each part of the rows; their merge, which finishes the statistics; the
// result. Several processes add up the merged sums between the latter two: four launches then.

#include "kernels/norm/batch_norm_cuda.h"

namespace rela {
namespace {

enum Partial : int { kShift, kSum, kSquares };

/// Sums of x - shift and of its square over one part. The shift is the part's first row: close
/// enough to the mean that f32 sums do not cancel.
template <Rows kRows, class T>
__global__ void __launch_bounds__(kRowTileThreads, kRowTileBlocks)
    batch_norm_sum_kernel(const RowTiles t, const T* __restrict__ x, float* __restrict__ partials) {
  SIMT_SHARED(__align__(16) float, shared, [kRowTileThreads * kVector]);
  const TileThread me = find_tile_thread(t, Sweep::kForward);
  F32x8 shift{};
  F32x8 sum{};
  F32x8 squares{};
  if (me.count > 0) {
    const int64_t first_row = me.row - me.slot;
    shift = load_upto8<kRows>(x + first_row * t.channels + me.channel, me.channels);
  }
  for_each_row<kRowsAhead<kRows, T, 1>>(
      me, t.channels, [&](int64_t at) { return load_upto8<kRows>(x + at, me.channels); },
      [&](int64_t, const F32x8& in) {
#pragma unroll
        for (int k = 0; k < kVector; ++k) {
          const float d = in.v[k] - shift.v[k];
          sum.v[k] += d;
          squares.v[k] = fmaf(d, d, squares.v[k]);
        }
      });
  float* out = partials + partial_at(t, blockIdx.z, blockIdx.x, kShift);
  if (me.slot == 0 && me.count > 0) store_upto8<kRows>(out + me.channel, shift, me.channels);
  sum_slots(t, me, sum, shared,
            [&](int64_t c, float total) { out[kSum * t.channels + c] = total; });
  sum_slots(t, me, squares, shared,
            [&](int64_t c, float total) { out[kSquares * t.channels + c] = total; });
}

/// The merged sums of one channel of one group.
struct Moments {
  double mean;
  double squares;  // of deviations from the mean
};

/// Sums about the first part's shift, in double: one pass, without significant cancellation.
__device__ TwoSums sum_parts(const RowTiles& t, const float* partials, const MergeThread& me,
                             int64_t group) {
  TwoSums sums;
  if (me.column >= t.channels) return sums;
  const double origin = partials[partial_at(t, group, 0, kShift) + me.column];
#pragma unroll 4
  for (int64_t part = me.share; part < t.parts; part += kMergeShares) {
    const float* p = partials + partial_at(t, group, part, kShift) + me.column;
    const double rows = static_cast<double>(min(t.part_rows, t.rows - part * t.part_rows));
    const double off = p[0] - origin;
    const double sum = p[kSum * t.channels];
    sums.first += sum + rows * off;
    sums.second += p[kSquares * t.channels] + off * (2.0 * sum + rows * off);
  }
  return sums;
}

/// The running statistics of one channel while groups are finished one after the other.
struct Running {
  float mean, var;
};

/// One channel's sums over `rows` of a group, about `origin`.
struct GroupSums {
  TwoSums sums;
  double origin, rows;
};

/// Writes mean and inv_std of a group and updates the running statistics.
/// at: the channel in [groups, C].
__device__ void finish_group(const BatchNormForwardArgs& args, int64_t at, const GroupSums& group,
                             double momentum, float eps, Running& running) {
  const double off = group.sums.first / group.rows;
  const double mean = group.origin + off;
  const double rest = group.sums.second - off * group.sums.first;
  const double squares = rest < 0.0 ? 0.0 : rest;  // NaN propagates
  args.mean[at] = static_cast<float>(mean);
  args.inv_std[at] = static_cast<float>(1.0 / sqrt(squares / group.rows + eps));
  running.mean = static_cast<float>((1.0 - momentum) * running.mean + momentum * mean);
  const double unbiased = squares / max(group.rows - 1.0, 1.0);
  running.var = static_cast<float>((1.0 - momentum) * running.var + momentum * unbiased);
}

/// Writes mean and inv_std of every group, and updates the running statistics group by group.
__global__ void __launch_bounds__(kMergeThreads)
    batch_norm_finish_statistics_kernel(const RowTiles t, const float* __restrict__ partials,
                                        const BatchNormForwardArgs args, const float momentum,
                                        const float eps) {
  SIMT_SHARED(MergeShared, shared, [1]);
  const MergeThread me = find_merge_thread();
  const int64_t c = me.merged_column;
  const bool finishes = me.finishes && c < t.channels;
  const double rows = static_cast<double>(t.rows);
  Running running{};
  if (finishes) running = {args.running_mean[c], args.running_var[c]};
  for (int64_t g = 0; g < t.groups; ++g) {
    const TwoSums sums = sum_shares(sum_parts(t, partials, me, g), shared[0]);
    if (!finishes) continue;
    const double shift = partials[partial_at(t, g, 0, kShift) + c];
    finish_group(args, g * t.channels + c, {sums, shift, rows}, momentum, eps, running);
  }
  if (finishes) {
    args.running_mean[c] = running.mean;
    args.running_var[c] = running.var;
  }
}

/// kMerged, first half: the sums of every group about the running mean.
__global__ void __launch_bounds__(kMergeThreads)
    batch_norm_merge_sums_kernel(const RowTiles t, const float* __restrict__ partials,
                                 const float* __restrict__ running_mean, double* __restrict__ out) {
  SIMT_SHARED(MergeShared, shared, [1]);
  write_row_count(t, out);
  const MergeThread me = find_merge_thread();
  const int64_t c = me.merged_column;
  const bool finishes = me.finishes && c < t.channels;
  const double rows = static_cast<double>(t.rows);
  const double origin = finishes ? running_mean[c] : 0.0f;
  for (int64_t g = 0; g < t.groups; ++g) {
    const TwoSums sums = sum_shares(sum_parts(t, partials, me, g), shared[0]);
    if (!finishes) continue;
    const double off = partials[partial_at(t, g, 0, kShift) + c] - origin;
    double* to = out + g * kNormSums * t.channels + c;
    to[0] = sums.first + rows * off;
    to[t.channels] = sums.second + off * (2.0 * sums.first + rows * off);
  }
}

/// kMerged, second half: as batch_norm_finish_statistics_kernel, from sums over all processes.
__global__ void __launch_bounds__(kRowTileThreads)
    batch_norm_finish_merged_kernel(const BatchNormForwardArgs args, const int64_t groups,
                                    const int64_t channels, const float momentum, const float eps) {
  const int64_t c = int64_t{blockIdx.x} * kRowTileThreads + threadIdx.x;
  if (c >= channels) return;
  const double origin = args.running_mean[c];
  const double rows = args.sums[row_count_at(groups, channels)];
  Running running{args.running_mean[c], args.running_var[c]};
  for (int64_t g = 0; g < groups; ++g) {
    const double* sums = args.sums + g * kNormSums * channels + c;
    const GroupSums group{{sums[0], sums[channels]}, origin, rows};
    finish_group(args, g * channels + c, group, momentum, eps, running);
  }
  args.running_mean[c] = running.mean;
  args.running_var[c] = running.var;
}

/// kRunning: every group's statistics are the running ones.
__global__ void __launch_bounds__(kRowTileThreads)
    batch_norm_copy_statistics_kernel(const BatchNormForwardArgs args, const int64_t groups,
                                      const int64_t channels, const float eps) {
  const int64_t c = int64_t{blockIdx.x} * kRowTileThreads + threadIdx.x;
  if (c >= channels) return;
  const float mean = args.running_mean[c];
  const double var = args.running_var[c];
  const float inv_std = static_cast<float>(1.0 / sqrt(var + eps));
  for (int64_t g = 0; g < groups; ++g) {
    args.mean[g * channels + c] = mean;
    args.inv_std[g * channels + c] = inv_std;
  }
}

enum class Residual : uint8_t { kNone, kAdded };

template <class T>
struct Normalise {
  const T* x;
  const T* residual;
  T* y;           // may be residual
  uint8_t* mask;  // null: not needed
  const float* gamma;
  const float* beta;
  const float* mean;
  const float* inv_std;
  float floor;  // lower bound of y: 0, or minus infinity without a ReLU
};

template <Rows kRows, Residual kResidual, class T>
__global__ void __launch_bounds__(kRowTileThreads, kRowTileBlocks)
    batch_norm_normalise_kernel(const RowTiles t, const Normalise<T> args) {
  const TileThread me = find_tile_thread(t, Sweep::kBackward);
  if (me.count == 0) return;
  struct In {
    F32x8 x, residual;
  };
  const auto coefficients = [&](const float* p) {
    return load_upto8<kRows>(p + me.channel, me.channels);
  };
  const F32x8 mean = coefficients(args.mean + blockIdx.z * t.channels);
  const F32x8 bias = coefficients(args.beta);
  F32x8 scale = coefficients(args.inv_std + blockIdx.z * t.channels);
  const F32x8 gamma = coefficients(args.gamma);
#pragma unroll
  for (int k = 0; k < kVector; ++k) scale.v[k] *= gamma.v[k];
  for_each_row<kFewRowsAhead<kRows, T, kResidual == Residual::kAdded ? 2 : 1>>(
      me, t.channels,
      [&](int64_t at) {
        In in;
        in.x = load_upto8<kRows>(args.x + at, me.channels);
        if constexpr (kResidual == Residual::kAdded) {
          in.residual = load_upto8<kRows>(args.residual + at, me.channels);
        }
        return in;
      },
      [&](int64_t at, const In& in) {
        F32x8 y;
        unsigned open = 0;
#pragma unroll
        for (int k = 0; k < kVector; ++k) {
          float v = fmaf(in.x.v[k] - mean.v[k], scale.v[k], bias.v[k]);
          if constexpr (kResidual == Residual::kAdded) v += in.residual.v[k];
          y.v[k] = v < args.floor ? args.floor : v;  // NaN passes through
          open |= (round_to<T>(y.v[k]) <= 0.0f ? 0u : 1u) << k;
        }
        store_upto8<kRows>(args.y + at, y, me.channels);
        if (args.mask != nullptr) {
          args.mask[mask_at<kRows>(at, me.channel, t.channels)] = static_cast<uint8_t>(open);
        }
      });
}

template <Rows kRows, class T>
void sum_rows(const RowTiles& t, const void* x, const BatchNormScratchCuda& scratch,
              Stream stream) {
  simt::launch(batch_norm_sum_kernel<kRows, T>, {t.grid(), kRowTileThreads}, stream, t,
               static_cast<const T*>(x), scratch.partials);
}

/// mean and inv_std of every group.
template <Rows kRows, class T>
void set_statistics(const RowTiles& t, const BatchNormForwardArgs& args,
                    const BatchNormConfig& config, const BatchNormScratchCuda& scratch,
                    Stream stream) {
  const auto blocks = static_cast<unsigned>((t.channels + kRowTileThreads - 1) / kRowTileThreads);
  switch (config.statistics) {
    case NormStatistics::kBatch:
      sum_rows<kRows, T>(t, args.x, scratch, stream);
      return simt::launch(batch_norm_finish_statistics_kernel,
                          {merge_grid(t.channels), kMergeThreads}, stream, t, scratch.partials,
                          args, config.momentum, config.eps);
    case NormStatistics::kMerged:
      return simt::launch(batch_norm_finish_merged_kernel, {blocks, kRowTileThreads}, stream, args,
                          t.groups, t.channels, config.momentum, config.eps);
    case NormStatistics::kRunning:
      return simt::launch(batch_norm_copy_statistics_kernel, {blocks, kRowTileThreads}, stream,
                          args, t.groups, t.channels, config.eps);
  }
}

template <Rows kRows, class T>
void forward(const RowTiles& t, const BatchNormForwardArgs& args, const BatchNormConfig& config,
             const BatchNormScratchCuda& scratch, Stream stream) {
  set_statistics<kRows, T>(t, args, config, scratch, stream);
  const T* x = static_cast<const T*>(args.x);
  const Normalise<T> normalise{x,
                               static_cast<const T*>(args.residual),
                               static_cast<T*>(args.y),
                               args.mask,
                               args.gamma,
                               args.beta,
                               args.mean,
                               args.inv_std,
                               config.relu ? 0.0f : -INFINITY};
  simt::launch(args.residual == nullptr ? batch_norm_normalise_kernel<kRows, Residual::kNone, T>
                                        : batch_norm_normalise_kernel<kRows, Residual::kAdded, T>,
               {t.grid(), kRowTileThreads}, stream, t, normalise);
}

template <class T>
void forward(const BatchNormForwardArgs& args, const BatchNormConfig& config,
             const BatchNormDims& dims, Workspace workspace, Stream stream) {
  const RowTiles t(dims.groups, dims.rows, dims.channels);
  const BatchNormScratchCuda scratch(t, workspace);
  const Rows rows = kind_of_rows(dims.channels, args.x, args.residual, args.y, args.gamma,
                                 args.beta, args.mean, args.inv_std);
  with_rows(rows, [&]<Rows kRows>() { forward<kRows, T>(t, args, config, scratch, stream); });
}

}  // namespace

size_t batch_norm_workspace_bytes_cuda(const BatchNormDims& dims) {
  if (dims.rows == 0 || dims.channels == 0) return 0;
  return BatchNormScratchCuda::bytes(RowTiles(dims.groups, dims.rows, dims.channels));
}

void batch_norm_forward_cuda(const BatchNormForwardArgs& args, const BatchNormConfig& config,
                             const BatchNormDims& dims, Workspace workspace, Stream stream) {
  if (dims.rows == 0 || dims.channels == 0) return;
  with_storage_type(config.dtype,
                    [&]<class T>(T*) { forward<T>(args, config, dims, workspace, stream); });
}

void batch_norm_sums_cuda(const BatchNormForwardArgs& args, const BatchNormConfig& config,
                          const BatchNormDims& dims, double* sums, Workspace workspace,
                          Stream stream) {
  const RowTiles t(dims.groups, dims.rows, dims.channels);
  const BatchNormScratchCuda scratch(t, workspace);
  with_storage_type(config.dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.channels, args.x),
              [&]<Rows kRows>() { sum_rows<kRows, T>(t, args.x, scratch, stream); });
  });
  simt::launch(batch_norm_merge_sums_kernel, {merge_grid(t.channels), kMergeThreads}, stream, t,
               scratch.partials, args.running_mean, sums);
}

}  // namespace rela
