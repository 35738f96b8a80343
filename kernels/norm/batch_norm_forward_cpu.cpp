#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/norm/batch_norm.h"
#include "kernels/norm/batch_norm_parts.h"

#include "kernels/storage_type.h"

namespace rela {
namespace {

enum Partial : uint8_t { kShift, kSum, kSquares };
enum Coefficient : uint8_t { kMean, kScale, kBias, kOrigin };
enum Total : uint8_t { kMeanTotal, kSquaresTotal };

/// Sums of x - shift and of its square over one part. The shift is the part's first row: close
/// enough to the mean that f32 sums do not cancel.
template <class T>
void sum_part(const T* x, Range rows, int64_t channels, const BatchNormScratch& scratch,
              int64_t part) {
  float* shifts = scratch.partial(part, kShift);
  float* sums = scratch.partial(part, kSum);
  float* squares = scratch.partial(part, kSquares);
  for_lanes(0, channels, [&](int64_t c, auto lanes) {
    store_lanes(shifts + c, lanes.load(x + rows.begin * channels + c));
    store_lanes(sums + c, F32x16{});
    store_lanes(squares + c, F32x16{});
  });
  for_row_blocks(rows, [&](int64_t row, auto block) {
    for_lanes(0, channels, [&](int64_t c, auto lanes) {
      const F32x16 shift = load_lanes(shifts + c);
      F32x16 sum[2] = {load_lanes(sums + c), {}};  // two chains of additions
      F32x16 square[2] = {load_lanes(squares + c), {}};
      for (int64_t i = 0; i < decltype(block)::value; ++i) {
        const F32x16 d = lanes.load(x + (row + i) * channels + c) - shift;
        sum[i % 2] += d;
        square[i % 2] = fma_lanes(d, d, square[i % 2]);
      }
      store_lanes(sums + c, sum[0] + sum[1]);
      store_lanes(squares + c, square[0] + square[1]);
    });
  });
}

/// Mean and sum of squared deviations of a group: in double, part by part.
void merge_parts(const RowParts& parts, const BatchNormDims& dims,
                 const BatchNormScratch& scratch) {
  double* mean = scratch.total(kMeanTotal);
  double* squares = scratch.total(kSquaresTotal);
  for (int64_t c = 0; c < dims.channels; ++c) mean[c] = squares[c] = 0.0;
  for (int64_t p = 0; p < parts.count(); ++p) {
    const double share = static_cast<double>(parts[p].end - parts[p].begin) / dims.rows;
    const double weight = 1.0 / dims.rows;
    const float* shift = scratch.partial(p, kShift);
    const float* sum = scratch.partial(p, kSum);
    for (int64_t c = 0; c < dims.channels; ++c) mean[c] += share * shift[c] + weight * sum[c];
  }
  for (int64_t p = 0; p < parts.count(); ++p) {
    const double count = static_cast<double>(parts[p].end - parts[p].begin);
    const double per_row = 1.0 / count;
    const float* shift = scratch.partial(p, kShift);
    const float* sum = scratch.partial(p, kSum);
    const float* square = scratch.partial(p, kSquares);
    for (int64_t c = 0; c < dims.channels; ++c) {
      const double part_mean = per_row * sum[c];
      const double off = shift[c] + part_mean - mean[c];
      squares[c] += square[c] - part_mean * sum[c] + count * off * off;
    }
  }
}

/// The same of a group whose rows are spread over processes.
void merge_sums(const double* sums, double rows, const float* origin, const BatchNormDims& dims,
                const BatchNormScratch& scratch) {
  for (int64_t c = 0; c < dims.channels; ++c) {
    const double off = sums[c] / rows;
    scratch.total(kMeanTotal)[c] = origin[c] + off;
    scratch.total(kSquaresTotal)[c] = sums[dims.channels + c] - off * sums[c];
  }
}

/// Writes the mean and inv_std of a group of `rows`, and updates the running statistics.
void finish_statistics(const BatchNormForwardArgs& args, const BatchNormConfig& config,
                       const BatchNormDims& dims, double rows, int64_t group,
                       const BatchNormScratch& scratch) {
  float* mean = args.mean + group * dims.channels;
  float* inv_std = args.inv_std + group * dims.channels;
  const double m = config.momentum;
  const double unbiased = 1.0 / std::max(rows - 1, 1.0);
  for (int64_t c = 0; c < dims.channels; ++c) {
    const double group_mean = scratch.total(kMeanTotal)[c];
    const double sum = scratch.total(kSquaresTotal)[c];
    const double squares = sum < 0.0 ? 0.0 : sum;  // NaN propagates
    mean[c] = static_cast<float>(group_mean);
    inv_std[c] = static_cast<float>(1.0 / std::sqrt(squares / rows + config.eps));
    args.running_mean[c] = static_cast<float>((1.0 - m) * args.running_mean[c] + m * group_mean);
    args.running_var[c] =
        static_cast<float>((1.0 - m) * args.running_var[c] + m * squares * unbiased);
  }
}

void copy_running_statistics(const BatchNormForwardArgs& args, const BatchNormConfig& config,
                             const BatchNormDims& dims, int64_t group) {
  for (int64_t c = 0; c < dims.channels; ++c) {
    args.mean[group * dims.channels + c] = args.running_mean[c];
    args.inv_std[group * dims.channels + c] =
        static_cast<float>(1.0 / std::sqrt(static_cast<double>(args.running_var[c]) + config.eps));
  }
}

void set_coefficients(const BatchNormForwardArgs& args, const BatchNormDims& dims, int64_t group,
                      const BatchNormScratch& scratch) {
  for (int64_t c = 0; c < dims.channels; ++c) {
    scratch.coefficient(kMean)[c] = args.mean[group * dims.channels + c];
    scratch.coefficient(kScale)[c] = args.gamma[c] * args.inv_std[group * dims.channels + c];
    scratch.coefficient(kBias)[c] = args.beta[c];
  }
}

/// One group's rows.
template <class T>
struct Group {
  const T* x;
  const T* residual;  // null: none
  T* y;
};

enum class Residual : uint8_t { kNone, kAdded };

/// y of one part, clamped from below to `floor`.
template <Residual kResidual, Caching kCaching, class T>
void normalise_part(const Group<T>& group, Range rows, int64_t channels,
                    const BatchNormScratch& scratch, float floor) {
  for_row_blocks(rows, [&](int64_t row, auto block) {
    for_lanes(0, channels, [&](int64_t c, auto lanes) {
      const F32x16 mean = load_lanes(scratch.coefficient(kMean) + c);
      const F32x16 scale = load_lanes(scratch.coefficient(kScale) + c);
      const F32x16 bias = load_lanes(scratch.coefficient(kBias) + c);
      for (int64_t i = 0; i < decltype(block)::value; ++i) {
        const int64_t at = (row + i) * channels + c;
        F32x16 v = fma_lanes(lanes.load(group.x + at) - mean, scale, bias);
        if constexpr (kResidual == Residual::kAdded) v += lanes.load(group.residual + at);
        v = max_lanes(splat(floor), v);
        if constexpr (kCaching == Caching::kStream) {
          lanes.stream(group.y + at, v);
        } else {
          lanes.store(group.y + at, v);
        }
      }
    });
  });
  if constexpr (kCaching == Caching::kStream) finish_streaming();
}

template <Residual kResidual, class T>
void normalise_group(const Group<T>& group, const BatchNormConfig& config,
                     const BatchNormDims& dims, const BatchNormScratch& scratch) {
  const RowParts parts(dims);
  const float floor = config.relu ? 0.0f : -std::numeric_limits<float>::infinity();
  const Caching caching = caching_of(group.y, dims);
  sweep_parts(parts, Sweep::kBackward, [&](int64_t p) {
    if (caching == Caching::kStream) {
      normalise_part<kResidual, Caching::kStream>(group, parts[p], dims.channels, scratch, floor);
    } else {
      normalise_part<kResidual, Caching::kKeep>(group, parts[p], dims.channels, scratch, floor);
    }
  });
}

/// The group's mean and inv_std, by the kind of statistics; `origin`: the running mean before.
template <class T>
void set_statistics(const BatchNormForwardArgs& args, const BatchNormConfig& config,
                    const BatchNormDims& dims, int64_t group, const T* x,
                    const BatchNormScratch& scratch) {
  const RowParts parts(dims);
  switch (config.statistics) {
    case NormStatistics::kBatch:
      sweep_parts(parts, Sweep::kForward,
                  [&](int64_t p) { sum_part(x, parts[p], dims.channels, scratch, p); });
      merge_parts(parts, dims, scratch);
      return finish_statistics(args, config, dims, static_cast<double>(dims.rows), group, scratch);
    case NormStatistics::kMerged: {
      const double rows = args.sums[norm_rows_at(dims)];
      merge_sums(args.sums + group * kNormSums * dims.channels, rows, scratch.coefficient(kOrigin),
                 dims, scratch);
      return finish_statistics(args, config, dims, rows, group, scratch);
    }
    case NormStatistics::kRunning:
      return copy_running_statistics(args, config, dims, group);
  }
}

template <class T>
void forward(const BatchNormForwardArgs& args, const BatchNormConfig& config,
             const BatchNormDims& dims, const BatchNormScratch& scratch) {
  const T* residual = static_cast<const T*>(args.residual);
  std::copy_n(args.running_mean, dims.channels, scratch.coefficient(kOrigin));
  for (int64_t g = 0; g < dims.groups; ++g) {
    const int64_t offset = g * dims.rows * dims.channels;
    const Group<T> group{.x = static_cast<const T*>(args.x) + offset,
                         .residual = residual == nullptr ? nullptr : residual + offset,
                         .y = static_cast<T*>(args.y) + offset};
    set_statistics(args, config, dims, g, group.x, scratch);
    set_coefficients(args, dims, g, scratch);
    if (residual == nullptr) {
      normalise_group<Residual::kNone>(group, config, dims, scratch);
    } else {
      normalise_group<Residual::kAdded>(group, config, dims, scratch);
    }
  }
}

/// One group's sums about the running mean, from those of its parts.
void write_sums(const RowParts& parts, const BatchNormDims& dims, const float* origin, double* sums,
                const BatchNormScratch& scratch) {
  double* squares = sums + dims.channels;
  std::fill_n(sums, kNormSums * dims.channels, 0.0);
  for (int64_t p = 0; p < parts.count(); ++p) {
    const double rows = static_cast<double>(parts[p].end - parts[p].begin);
    const float* shift = scratch.partial(p, kShift);
    const float* sum = scratch.partial(p, kSum);
    const float* square = scratch.partial(p, kSquares);
    for (int64_t c = 0; c < dims.channels; ++c) {
      const double off = static_cast<double>(shift[c]) - origin[c];
      sums[c] += sum[c] + rows * off;
      squares[c] += square[c] + off * (2.0 * sum[c] + rows * off);
    }
  }
}

template <class T>
void sum_groups(const BatchNormForwardArgs& args, const BatchNormDims& dims, double* sums,
                const BatchNormScratch& scratch) {
  const RowParts parts(dims);
  for (int64_t g = 0; g < dims.groups; ++g) {
    const T* x = static_cast<const T*>(args.x) + g * dims.rows * dims.channels;
    sweep_parts(parts, Sweep::kForward,
                [&](int64_t p) { sum_part(x, parts[p], dims.channels, scratch, p); });
    write_sums(parts, dims, args.running_mean, sums + g * kNormSums * dims.channels, scratch);
  }
  sums[norm_rows_at(dims)] = static_cast<double>(dims.rows);
}

}  // namespace

size_t batch_norm_workspace_bytes_cpu(const BatchNormDims& dims) {
  return BatchNormScratch::bytes(dims);
}

void batch_norm_forward_cpu(const BatchNormForwardArgs& args, const BatchNormConfig& config,
                            const BatchNormDims& dims, Workspace workspace, Stream) {
  if (dims.rows == 0 || dims.channels == 0) return;
  const BatchNormScratch scratch(dims, workspace);
  with_cpu_storage_type(config.dtype,
                        [&]<class T>(T*) { forward<T>(args, config, dims, scratch); });
}

void batch_norm_sums_cpu(const BatchNormForwardArgs& args, const BatchNormConfig& config,
                         const BatchNormDims& dims, double* sums, Workspace workspace, Stream) {
  const BatchNormScratch scratch(dims, workspace);
  with_cpu_storage_type(config.dtype,
                        [&]<class T>(T*) { sum_groups<T>(args, dims, sums, scratch); });
}

}  // namespace rela
