#pragma once
// Batch normalisation (Ioffe and Szegedy 2015) over the rows of a matrix, fused with what follows
// it in a residual network: a residual sum and a ReLU.
//
// Read batch_norm_parts.h first, then batch_norm_{forward,backward}_cpu.cpp: how the rows are split
// and what each of the two sweeps does. The CUDA kernels (batch_norm_cuda.h, then
// batch_norm_{forward,backward}_cuda.cu) make the same sweeps over the tiles of gpu/row_tiles.h.

#include <cstddef>

#include "kernels/types.h"

namespace rela {

/// x is [groups * rows, channels]: images [N, H, W, C] have N*H*W rows. Each group of consecutive
/// rows has separate statistics.
struct BatchNormDims {
  int64_t groups = 1;
  int64_t rows = 0;  // of one group
  int64_t channels = 0;
};

/// Which statistics are used: those of the current rows, the running ones (as constants), or those
/// of the current rows of several processes, whose sums the caller has added up.
enum class NormStatistics : uint8_t { kBatch, kRunning, kMerged };

/// What processes add up, in f64: kNormSums numbers per group and channel, [groups, kNormSums,
/// channels], and then the rows of a group, which may differ between processes.
inline constexpr int64_t kNormSums = 2;
constexpr int64_t norm_rows_at(const BatchNormDims& d) { return d.groups * kNormSums * d.channels; }
constexpr int64_t norm_sums_count(const BatchNormDims& d) { return norm_rows_at(d) + 1; }

struct BatchNormConfig {
  NormStatistics statistics = NormStatistics::kBatch;
  Dtype dtype = Dtype::kF32;  // of x, residual, y and their gradients
  bool relu = false;
  float momentum = 0.1f;  // weight of the new statistics in the running average
  float eps = 1e-5f;
};

struct BatchNormForwardArgs {
  const void* x = nullptr;         // [groups * rows, channels]
  const void* residual = nullptr;  // like x, or null
  void* y = nullptr;               // like x; may be residual, not x
  const float* gamma = nullptr;    // [channels]
  const float* beta = nullptr;     // [channels]
  float* running_mean = nullptr;   // [channels]
  float* running_var = nullptr;    // [channels]
  float* mean = nullptr;           // out [groups, channels]
  float* inv_std = nullptr;        // out [groups, channels], 1 / sqrt(var + eps)
  uint8_t* mask = nullptr;         // out, cuda only: where the ReLU is active; null: not needed
  const double* sums = nullptr;    // kMerged: those of batch_norm_sums_*, over all processes
};

/// The mask of a ReLU, one bit per element: [groups * rows, batch_norm_mask_bytes(channels)] bytes;
/// channel 8 j + k is bit k of byte j, and set unless y <= 0 (NaN counts as active). Bits past the
/// last channel are undefined.
constexpr int64_t batch_norm_mask_bytes(int64_t channels) { return (channels + 7) / 8; }

/// y = relu?(gamma (x - mean) inv_std + beta (+ residual)), arithmetic in f32.
///   kBatch: mean and biased variance of each group, summed as shifted f32 in fixed parts and
///   merged in double, so a large mean does not cancel. The running statistics then take, group
///   after group, momentum times the mean and the unbiased variance (for a single row the biased
///   one, 0). kRunning: mean and variance are the running ones, for every group, and are not
///   updated. kMerged: as kBatch over the rows of all processes, from their sums.
/// Deterministic for any thread count; a group's result does not depend on the other groups. NaN in
/// x reaches y. No rows or no channels: does nothing.
using BatchNormForwardFn = void(const BatchNormForwardArgs&, const BatchNormConfig&,
                                const BatchNormDims&, Workspace, Stream);
BatchNormForwardFn batch_norm_forward_cpu;
BatchNormForwardFn batch_norm_forward_cuda;

/// The first half of a forward pass over the rows of several processes: sums over this process's
/// rows of x - running_mean and of its square, per group and channel, in double. The origin is the
/// same for all and close enough to the mean that squares do not cancel. Reads args.x and
/// args.running_mean. Needs rows and channels.
using BatchNormSumsFn = void(const BatchNormForwardArgs&, const BatchNormConfig&,
                             const BatchNormDims&, double* sums, Workspace, Stream);
BatchNormSumsFn batch_norm_sums_cpu;
BatchNormSumsFn batch_norm_sums_cuda;

struct BatchNormBackwardArgs {
  const void* dy = nullptr;  // [groups * rows, channels]
  const void* x = nullptr;   // as in the forward pass
  // After a residual and a ReLU one of these two is required; otherwise both are null:
  const void* y = nullptr;        // the forward result
  const uint8_t* mask = nullptr;  // as the forward pass wrote it; cuda only
  const float* gamma = nullptr;
  const float* beta = nullptr;
  const float* mean = nullptr;     // [groups, channels], from the forward pass
  const float* inv_std = nullptr;  // [groups, channels]
  GradOut dx{};                    // like x
  GradOut dresidual{};             // like x; may be dx if it accumulates
  GradOut dgamma{};                // [channels] f32
  GradOut dbeta{};                 // [channels] f32
};

/// With g = dy where the ReLU was active (y > 0) and 0 elsewhere, xhat = (x - mean) inv_std, and
/// means over the rows of a group:
///   dresidual = g      dbeta = sum g      dgamma = sum g xhat      (sums over all groups)
///   dx = gamma inv_std (g - mean(g) - xhat mean(g xhat))     kBatch
///   dx = gamma inv_std g                                     kRunning
/// Without y and mask the ReLU's mask is recomputed from x, which saves reading y. With a mask the
/// gradients are bit-identical to those with y. Deterministic. No rows or no channels: dgamma and
/// dbeta are 0 when overwritten, nothing else happens.
///
/// Memory traffic per element of e bytes, cuda, after a residual and a ReLU, both gradients
/// overwritten: forward 4 e, backward 7 e with y; forward 4 e + 1/8 and backward 6 e + 1/8 with the
/// mask: 22 and 20.25 bytes in total in bf16. When dresidual accumulates, backward takes 8 e and 6
/// e + 1/4, plus reading dresidual. The CPU has no mask and reads y, which the next layer keeps
/// anyway.
using BatchNormBackwardFn = void(const BatchNormBackwardArgs&, const BatchNormConfig&,
                                 const BatchNormDims&, Workspace, Stream);
BatchNormBackwardFn batch_norm_backward_cpu;
BatchNormBackwardFn batch_norm_backward_cuda;

/// The two halves of a backward pass over the rows of several processes. The first writes sums of g
/// and of g (x - mean) over this process's rows, per group and channel, in double; dgamma and dbeta
/// of those rows; and dresidual if it overwrites. The second, from the sums over all processes,
/// writes dx, and dresidual if it accumulates. Both need rows and channels.
using BatchNormGradientSumsFn = void(const BatchNormBackwardArgs&, const BatchNormConfig&,
                                     const BatchNormDims&, double* sums, Workspace, Stream);
BatchNormGradientSumsFn batch_norm_gradient_sums_cpu;
BatchNormGradientSumsFn batch_norm_gradient_sums_cuda;
using BatchNormMergedBackwardFn = void(const BatchNormBackwardArgs&, const BatchNormConfig&,
                                       const BatchNormDims&, const double* sums, Workspace, Stream);
BatchNormMergedBackwardFn batch_norm_merged_backward_cpu;
BatchNormMergedBackwardFn batch_norm_merged_backward_cuda;

/// Scratch bytes of either pass, on each device.
using BatchNormWorkspaceFn = size_t(const BatchNormDims& dims);
BatchNormWorkspaceFn batch_norm_workspace_bytes_cpu;
BatchNormWorkspaceFn batch_norm_workspace_bytes_cuda;

}  // namespace rela
