#include <algorithm>

#include "kernels/norm/batch_norm.h"
#include "kernels/norm/batch_norm_parts.h"

#include "kernels/storage_type.h"

namespace rela {
namespace {

// Sums over rows of g, and of g times x - mean.
enum Partial : uint8_t { kGradient, kMoment };
enum Total : uint8_t { kGradientTotal, kMomentTotal, kBetaTotal, kGammaTotal };
// dx = kScale g + kSlope (x - kMean) + kOffset; the ReLU's input is kScale (x - kMean) + kBias.
enum Coefficient : uint8_t { kMean, kScale, kBias, kSlope, kOffset };

/// What tells where the ReLU was active: nothing (there is no ReLU), x, or y.
enum class Mask : uint8_t { kNone, kFromX, kFromY };

/// One group's rows.
template <class T>
struct Group {
  const T* dy;
  const T* x;
  const T* y;
  T* dx;
  T* dresidual;
};

/// g: the gradient at the ReLU's input. `centred` is x - mean.
template <Mask kMask, class T, class Lanes>
[[gnu::always_inline]] inline F32x16 open_gradient(const Group<T>& group, int64_t at, Lanes lanes,
                                                   F32x16 centred, F32x16 scale, F32x16 bias) {
  const F32x16 dy = lanes.load(group.dy + at);
  if constexpr (kMask == Mask::kFromX)
    return relu_gradient_lanes(fma_lanes(centred, scale, bias), dy);
  if constexpr (kMask == Mask::kFromY) return relu_gradient_lanes(lanes.load(group.y + at), dy);
  return dy;
}

enum class Store : uint8_t { kNo, kKeep, kStream };

/// First pass: the sums of one part; stores g in dresidual if requested.
template <Mask kMask, Store kStore, class T>
void sum_part(const Group<T>& group, Range rows, int64_t channels, const BatchNormScratch& scratch,
              int64_t part) {
  float* gradients = scratch.partial(part, kGradient);
  float* moments = scratch.partial(part, kMoment);
  std::fill_n(gradients, padded_to_lanes(channels), 0.0f);
  std::fill_n(moments, padded_to_lanes(channels), 0.0f);
  for_row_blocks(rows, [&](int64_t row, auto block) {
    for_lanes(0, channels, [&](int64_t c, auto lanes) {
      const F32x16 mean = load_lanes(scratch.coefficient(kMean) + c);
      const F32x16 scale = load_lanes(scratch.coefficient(kScale) + c);
      const F32x16 bias = load_lanes(scratch.coefficient(kBias) + c);
      F32x16 gradient[2] = {load_lanes(gradients + c), {}};  // two chains of additions
      F32x16 moment[2] = {load_lanes(moments + c), {}};
      for (int64_t i = 0; i < decltype(block)::value; ++i) {
        const int64_t at = (row + i) * channels + c;
        const F32x16 centred = lanes.load(group.x + at) - mean;
        const F32x16 g = open_gradient<kMask>(group, at, lanes, centred, scale, bias);
        gradient[i % 2] += g;
        moment[i % 2] = fma_lanes(g, centred, moment[i % 2]);
        if constexpr (kStore == Store::kKeep) lanes.store(group.dresidual + at, g);
        if constexpr (kStore == Store::kStream) lanes.stream(group.dresidual + at, g);
      }
      store_lanes(gradients + c, gradient[0] + gradient[1]);
      store_lanes(moments + c, moment[0] + moment[1]);
    });
  });
  if constexpr (kStore == Store::kStream) finish_streaming();
}

template <Mask kMask, class T>
void sum_group(const Group<T>& group, const BatchNormDims& dims, const BatchNormScratch& scratch,
               Store store) {
  const RowParts parts(dims);
  sweep_parts(parts, Sweep::kForward, [&](int64_t p) {
    if (store == Store::kStream) {
      sum_part<kMask, Store::kStream>(group, parts[p], dims.channels, scratch, p);
    } else if (store == Store::kKeep) {
      sum_part<kMask, Store::kKeep>(group, parts[p], dims.channels, scratch, p);
    } else {
      sum_part<kMask, Store::kNo>(group, parts[p], dims.channels, scratch, p);
    }
  });
}

struct Modes {
  Write dx = Write::kOverwrite;
  bool add_dresidual = false;  // dresidual += g in the second pass
};

/// Second pass: dx, then dresidual where it accumulates (it may be the same memory as dx).
template <Mask kMask, Caching kCaching, class T>
void differentiate_part(const Group<T>& group, Range rows, int64_t channels,
                        const BatchNormScratch& scratch, const Modes& modes) {
  for_row_blocks(rows, [&](int64_t row, auto block) {
    for_lanes(0, channels, [&](int64_t c, auto lanes) {
      const F32x16 mean = load_lanes(scratch.coefficient(kMean) + c);
      const F32x16 scale = load_lanes(scratch.coefficient(kScale) + c);
      const F32x16 bias = load_lanes(scratch.coefficient(kBias) + c);
      const F32x16 slope = load_lanes(scratch.coefficient(kSlope) + c);
      const F32x16 offset = load_lanes(scratch.coefficient(kOffset) + c);
      for (int64_t i = 0; i < decltype(block)::value; ++i) {
        const int64_t at = (row + i) * channels + c;
        const F32x16 centred = lanes.load(group.x + at) - mean;
        const F32x16 g = open_gradient<kMask>(group, at, lanes, centred, scale, bias);
        if (group.dx != nullptr) {
          F32x16 dx = fma_lanes(scale, g, fma_lanes(slope, centred, offset));
          if constexpr (kCaching == Caching::kStream) {
            lanes.stream(group.dx + at, dx);
          } else {
            if (modes.dx == Write::kAccumulate) dx += lanes.load(group.dx + at);
            lanes.store(group.dx + at, dx);
          }
        }
        if (modes.add_dresidual)
          lanes.store(group.dresidual + at, lanes.load(group.dresidual + at) + g);
      }
    });
  });
  if constexpr (kCaching == Caching::kStream) finish_streaming();
}

template <Mask kMask, class T>
void differentiate_group(const Group<T>& group, const BatchNormDims& dims,
                         const BatchNormScratch& scratch, const Modes& modes) {
  const RowParts parts(dims);
  const bool overwrites_dx_alone = modes.dx == Write::kOverwrite && !modes.add_dresidual;
  const Caching caching = overwrites_dx_alone ? caching_of(group.dx, dims) : Caching::kKeep;
  sweep_parts(parts, Sweep::kBackward, [&](int64_t p) {
    if (caching == Caching::kStream) {
      differentiate_part<kMask, Caching::kStream>(group, parts[p], dims.channels, scratch, modes);
    } else {
      differentiate_part<kMask, Caching::kKeep>(group, parts[p], dims.channels, scratch, modes);
    }
  });
}

/// Adds the parts of one group in order, and adds the group to the sums over all groups.
void merge_parts(const RowParts& parts, const BatchNormDims& dims, const float* inv_std,
                 const BatchNormScratch& scratch) {
  double* gradient = scratch.total(kGradientTotal);
  double* moment = scratch.total(kMomentTotal);
  std::fill_n(gradient, dims.channels, 0.0);
  std::fill_n(moment, dims.channels, 0.0);
  for (int64_t p = 0; p < parts.count(); ++p) {
    const float* gradients = scratch.partial(p, kGradient);
    const float* moments = scratch.partial(p, kMoment);
    for (int64_t c = 0; c < dims.channels; ++c) {
      gradient[c] += gradients[c];
      moment[c] += moments[c];
    }
  }
  for (int64_t c = 0; c < dims.channels; ++c) {
    scratch.total(kBetaTotal)[c] += gradient[c];
    scratch.total(kGammaTotal)[c] += moment[c] * inv_std[c];
  }
}

void set_forward_coefficients(const BatchNormBackwardArgs& args, const BatchNormDims& dims,
                              int64_t group, const BatchNormScratch& scratch) {
  for (int64_t c = 0; c < dims.channels; ++c) {
    scratch.coefficient(kMean)[c] = args.mean[group * dims.channels + c];
    scratch.coefficient(kScale)[c] = args.gamma[c] * args.inv_std[group * dims.channels + c];
    scratch.coefficient(kBias)[c] = args.beta[c];
  }
}

/// `per_row`: 1 / rows of a group, over all processes that share its statistics; 0 for constant
/// statistics, which have no gradient.
void set_gradient_coefficients(const BatchNormDims& dims, double per_row, const float* inv_std,
                               const BatchNormScratch& scratch) {
  for (int64_t c = 0; c < dims.channels; ++c) {
    const double scale = scratch.coefficient(kScale)[c];
    const double s = inv_std[c];
    scratch.coefficient(kSlope)[c] =
        static_cast<float>(-scale * s * s * scratch.total(kMomentTotal)[c] * per_row);
    scratch.coefficient(kOffset)[c] =
        static_cast<float>(-scale * scratch.total(kGradientTotal)[c] * per_row);
  }
}

/// What the first pass does with dresidual: g is stored there if it overwrites.
template <class T>
Store store_of(const Group<T>& group, const BatchNormBackwardArgs& args,
               const BatchNormDims& dims) {
  if (group.dresidual == nullptr || args.dresidual.mode != Write::kOverwrite) return Store::kNo;
  return caching_of(group.dresidual, dims, kStreamBytesReadAgain) == Caching::kStream
             ? Store::kStream
             : Store::kKeep;
}

/// First pass over a group: its totals.
template <Mask kMask, class T>
void sum_pass(const Group<T>& group, const BatchNormBackwardArgs& args, const BatchNormDims& dims,
              int64_t index, const BatchNormScratch& scratch) {
  set_forward_coefficients(args, dims, index, scratch);
  sum_group<kMask>(group, dims, scratch, store_of(group, args, dims));
  merge_parts(RowParts(dims), dims, args.inv_std + index * dims.channels, scratch);
}

/// Second pass: dx from the totals of a group; `per_row` as in set_gradient_coefficients().
template <Mask kMask, class T>
void dx_pass(Group<T> group, const BatchNormBackwardArgs& args, const BatchNormDims& dims,
             double per_row, int64_t index, const BatchNormScratch& scratch) {
  set_forward_coefficients(args, dims, index, scratch);
  set_gradient_coefficients(dims, per_row, args.inv_std + index * dims.channels, scratch);
  const bool stored = store_of(group, args, dims) != Store::kNo;
  const Modes modes{.dx = args.dx.mode, .add_dresidual = group.dresidual != nullptr && !stored};
  if (group.dx == nullptr && !modes.add_dresidual) return;
  if (stored) {
    group.dy = group.dresidual;  // the mask is already applied there
    differentiate_group<Mask::kNone>(group, dims, scratch, modes);
  } else {
    differentiate_group<kMask>(group, dims, scratch, modes);
  }
}

/// body(group, its index, std::integral_constant<Mask, ...>) for each group.
template <class T, class Body>
void for_groups(const BatchNormBackwardArgs& args, const BatchNormConfig& config,
                const BatchNormDims& dims, Body&& body) {
  const auto group_of = [&](auto* base, int64_t g) {
    return base == nullptr ? nullptr : base + g * dims.rows * dims.channels;
  };
  for (int64_t g = 0; g < dims.groups; ++g) {
    const Group<T> group{.dy = group_of(static_cast<const T*>(args.dy), g),
                         .x = group_of(static_cast<const T*>(args.x), g),
                         .y = group_of(static_cast<const T*>(args.y), g),
                         .dx = group_of(static_cast<T*>(args.dx.data), g),
                         .dresidual = group_of(static_cast<T*>(args.dresidual.data), g)};
    if (!config.relu) {
      body(group, g, std::integral_constant<Mask, Mask::kNone>{});
    } else if (args.y == nullptr) {
      body(group, g, std::integral_constant<Mask, Mask::kFromX>{});
    } else {
      body(group, g, std::integral_constant<Mask, Mask::kFromY>{});
    }
  }
}

template <class T>
void backward(const BatchNormBackwardArgs& args, const BatchNormConfig& config,
              const BatchNormDims& dims, const BatchNormScratch& scratch) {
  const double per_row = config.statistics == NormStatistics::kRunning ? 0.0 : 1.0 / dims.rows;
  for_groups<T>(args, config, dims, [&](const Group<T>& group, int64_t g, auto mask) {
    sum_pass<decltype(mask)::value>(group, args, dims, g, scratch);
    dx_pass<decltype(mask)::value>(group, args, dims, per_row, g, scratch);
  });
}

template <class T>
void sum_groups(const BatchNormBackwardArgs& args, const BatchNormConfig& config,
                const BatchNormDims& dims, double* sums, const BatchNormScratch& scratch) {
  for_groups<T>(args, config, dims, [&](const Group<T>& group, int64_t g, auto mask) {
    sum_pass<decltype(mask)::value>(group, args, dims, g, scratch);
    double* out = sums + g * kNormSums * dims.channels;
    std::copy_n(scratch.total(kGradientTotal), dims.channels, out);
    std::copy_n(scratch.total(kMomentTotal), dims.channels, out + dims.channels);
  });
  sums[norm_rows_at(dims)] = static_cast<double>(dims.rows);
}

template <class T>
void differentiate_groups(const BatchNormBackwardArgs& args, const BatchNormConfig& config,
                          const BatchNormDims& dims, const double* sums,
                          const BatchNormScratch& scratch) {
  const double per_row = 1.0 / sums[norm_rows_at(dims)];
  for_groups<T>(args, config, dims, [&](const Group<T>& group, int64_t g, auto mask) {
    const double* in = sums + g * kNormSums * dims.channels;
    std::copy_n(in, dims.channels, scratch.total(kGradientTotal));
    std::copy_n(in + dims.channels, dims.channels, scratch.total(kMomentTotal));
    dx_pass<decltype(mask)::value>(group, args, dims, per_row, g, scratch);
  });
}

void write_sums(const double* sums, GradOut out, int64_t channels) {
  if (out.data == nullptr) return;
  float* to = static_cast<float*>(out.data);
  for (int64_t c = 0; c < channels; ++c)
    to[c] = static_cast<float>(out.mode == Write::kAccumulate ? to[c] + sums[c] : sums[c]);
}

/// The sums over all groups.
void clear_sums(const BatchNormDims& dims, const BatchNormScratch& scratch) {
  std::fill_n(scratch.total(kBetaTotal), dims.channels, 0.0);
  std::fill_n(scratch.total(kGammaTotal), dims.channels, 0.0);
}
void write_gradients(const BatchNormBackwardArgs& args, const BatchNormDims& dims,
                     const BatchNormScratch& scratch) {
  write_sums(scratch.total(kBetaTotal), args.dbeta, dims.channels);
  write_sums(scratch.total(kGammaTotal), args.dgamma, dims.channels);
}

}  // namespace

void batch_norm_backward_cpu(const BatchNormBackwardArgs& args, const BatchNormConfig& config,
                             const BatchNormDims& dims, Workspace workspace, Stream) {
  const BatchNormScratch scratch(dims, workspace);
  clear_sums(dims, scratch);
  if (dims.rows > 0 && dims.channels > 0) {
    with_cpu_storage_type(config.dtype,
                          [&]<class T>(T*) { backward<T>(args, config, dims, scratch); });
  }
  write_gradients(args, dims, scratch);
}

void batch_norm_gradient_sums_cpu(const BatchNormBackwardArgs& args, const BatchNormConfig& config,
                                  const BatchNormDims& dims, double* sums, Workspace workspace,
                                  Stream) {
  const BatchNormScratch scratch(dims, workspace);
  clear_sums(dims, scratch);
  with_cpu_storage_type(config.dtype,
                        [&]<class T>(T*) { sum_groups<T>(args, config, dims, sums, scratch); });
  write_gradients(args, dims, scratch);
}

void batch_norm_merged_backward_cpu(const BatchNormBackwardArgs& args,
                                    const BatchNormConfig& config, const BatchNormDims& dims,
                                    const double* sums, Workspace workspace, Stream) {
  const BatchNormScratch scratch(dims, workspace);
  with_cpu_storage_type(config.dtype, [&]<class T>(T*) {
    differentiate_groups<T>(args, config, dims, sums, scratch);
  });
}

}  // namespace rela
