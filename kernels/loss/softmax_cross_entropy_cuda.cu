#include "kernels/gpu/reduce.h"
#include "kernels/loss/softmax_cross_entropy.h"

namespace rela {
namespace {

constexpr int kRowsPerBlock = kReduceThreads / 32;
constexpr float kNan = __builtin_nanf("");

__device__ inline float warp_max(float x) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, distance));
  }
  return x;
}

/// The row of this warp.
__device__ inline int64_t row_of_warp() {
  return static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.x / 32;
}

/// Calls visit(c, x) for every column and its logit; a warp shares the row, eight columns at a time
/// if rows are aligned (`vectors` per row, else 0).
template <class T, class Visit>
__device__ inline void for_logits(const T* logits, int64_t cols, int64_t vectors, Visit&& visit) {
  const int64_t lane = threadIdx.x % 32;
  for (int64_t i = lane; i < vectors; i += 32) {
    const F32x8 x = load8(logits + i * kVector);
#pragma unroll
    for (int k = 0; k < kVector; ++k) visit(i * kVector + k, x.v[k]);
  }
  for (int64_t c = vectors * kVector + lane; c < cols; c += 32) visit(c, load_f32(logits + c));
}

template <class T>
__global__ void __launch_bounds__(kReduceThreads)
    forward_kernel(SoftmaxCrossEntropyArgs args, RowDims d, int64_t vectors, double* row_loss) {
  const int64_t row = row_of_warp();
  if (row >= d.rows) return;  // whole warps
  const T* logits = static_cast<const T*>(args.logits) + row * d.cols;
  float max = -INFINITY;
  for_logits(logits, d.cols, vectors, [&](int64_t, float x) { max = fmaxf(max, x); });
  max = warp_max(max);
  float sum = 0;
  for_logits(logits, d.cols, vectors, [&](int64_t, float x) { sum += expf(x - max); });
  sum = warp_sum(sum);
  if (threadIdx.x % 32 != 0) return;
  args.row_max[row] = max;
  args.row_sum[row] = sum;
  const int64_t label = args.labels[row];
  const bool known = 0 <= label && label < d.cols;
  row_loss[row] = known ? logf(sum) - (load_f32(logits + label) - max) : kNan;
}

template <class T, bool kAccumulate>
__global__ void __launch_bounds__(kReduceThreads)
    backward_kernel(SoftmaxCrossEntropyBackwardArgs args, RowDims d, int64_t vectors) {
  const int64_t row = row_of_warp();
  if (row >= d.rows) return;
  const T* logits = static_cast<const T*>(args.logits) + row * d.cols;
  T* dlogits = static_cast<T*>(args.dlogits.data) + row * d.cols;
  const float scale = *args.dloss / static_cast<float>(d.rows);
  const float max = args.row_max[row];
  const float inv_sum = 1.0f / args.row_sum[row];
  const int64_t label = args.labels[row];
  const auto gradient = [=](int64_t c, float x) {
    const float p = expf(x - max) * inv_sum;
    return scale * (c == label ? p - 1.0f : p);
  };
  const int64_t lane = threadIdx.x % 32;
  for (int64_t i = lane * kVector; i < vectors * kVector; i += 32 * kVector) {
    F32x8 g = load8(logits + i);
    const F32x8 old = kAccumulate ? load8(dlogits + i) : F32x8{};
#pragma unroll
    for (int k = 0; k < kVector; ++k) g.v[k] = gradient(i + k, g.v[k]) + old.v[k];
    store8(dlogits + i, g);
  }
  for (int64_t c = vectors * kVector + lane; c < d.cols; c += 32) {
    const float g = gradient(c, load_f32(logits + c));
    store_f32(dlogits + c, kAccumulate ? g + load_f32(dlogits + c) : g);
  }
}

unsigned blocks_of(RowDims d) { return static_cast<unsigned>(ceil_div(d.rows, kRowsPerBlock)); }

}  // namespace

void softmax_cross_entropy_forward_cuda(const SoftmaxCrossEntropyArgs& args, RowDims dims,
                                        Dtype dtype, Workspace workspace, Stream stream) {
  double* row_loss = static_cast<double*>(workspace.data);
  const bool aligned = dims.cols % kVector == 0 && aligned16(args.logits);
  const int64_t vectors = aligned ? dims.cols / kVector : 0;
  if (dims.rows > 0) {
    with_storage_type(dtype, [&]<class T>(T*) {
      simt::launch(forward_kernel<T>, {blocks_of(dims), kReduceThreads}, stream, args, dims,
                   vectors, row_loss);
    });
  }
  const double mean = dims.rows == 0 ? 0.0 : 1.0 / static_cast<double>(dims.rows);
  simt::launch(sum_parts_kernel<double, float>, {1, kReduceThreads}, stream, row_loss, dims.rows,
               mean, args.loss);
}

void softmax_cross_entropy_backward_cuda(const SoftmaxCrossEntropyBackwardArgs& args, RowDims dims,
                                         Dtype dtype, Stream stream) {
  if (dims.rows == 0) return;
  const bool aligned = dims.cols % kVector == 0 && aligned16(args.logits, args.dlogits.data);
  const int64_t vectors = aligned ? dims.cols / kVector : 0;
  with_storage_type(dtype, [&]<class T>(T*) {
    const auto kernel = args.dlogits.mode == Write::kAccumulate ? backward_kernel<T, true>
                                                                : backward_kernel<T, false>;
    simt::launch(kernel, {blocks_of(dims), kReduceThreads}, stream, args, dims, vectors);
  });
}

}  // namespace rela
