#include "kernels/gpu/reduce.h"
#include "kernels/loss/byol_loss.h"

namespace rela {
namespace {

constexpr int kRowsPerBlock = kReduceThreads / 32;

__device__ inline double inverse_norm(double squares) {
  const double norm = sqrt(squares);
  return norm <= kByolEps ? 0.0 : 1.0 / norm;  // NaN propagates
}

/// Calls eight(c) for the first of every eight columns, one(c) for the rest; a warp shares the row.
template <class Eight, class One>
__device__ inline void for_columns(int64_t cols, int64_t vectors, Eight&& eight, One&& one) {
  const int64_t lane = threadIdx.x % 32;
  for (int64_t i = lane; i < vectors; i += 32) eight(i * kVector);
  for (int64_t c = vectors * kVector + lane; c < cols; c += 32) one(c);
}

/// One warp per row of q and its row of z. `vectors`: per row, 0 if rows are not aligned.
template <class T>
__global__ void __launch_bounds__(kReduceThreads)
    byol_row_kernel(ByolLossArgs args, RowDims d, int64_t vectors, double* row_loss) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.x / 32;
  if (row >= d.rows) return;  // whole warps
  const int64_t half = d.rows / 2;
  const T* q = static_cast<const T*>(args.q) + row * d.cols;
  const T* z = static_cast<const T*>(args.z) + (row < half ? row + half : row - half) * d.cols;
  float qq = 0;
  float qz = 0;
  float zz = 0;
  const auto add = [&](float a, float b) {
    qq += a * a;
    qz += a * b;
    zz += b * b;
  };
  for_columns(
      d.cols, vectors,
      [&](int64_t c) {
        const F32x8 a = load8(q + c);
        const F32x8 b = load8(z + c);
#pragma unroll
        for (int i = 0; i < kVector; ++i) add(a.v[i], b.v[i]);
      },
      [&](int64_t c) { add(load_f32(q + c), load_f32(z + c)); });
  // Lanes are combined in f64, as on the CPU.
  const double inv_q = inverse_norm(warp_sum(static_cast<double>(qq)));
  const double inv_z = inverse_norm(warp_sum(static_cast<double>(zz)));
  const double cosine = warp_sum(static_cast<double>(qz)) * inv_q * inv_z;
  if (threadIdx.x % 32 == 0) row_loss[row] = 2.0 - 2.0 * cosine;
  if (args.dq == nullptr) return;
  float* dq = args.dq + row * d.cols;
  const double scale = -2.0 * static_cast<double>(args.scale) * inv_q;
  const float along_z = static_cast<float>(scale * inv_z);
  const float along_q = static_cast<float>(-scale * cosine * inv_q);
  for_columns(
      d.cols, vectors,
      [&](int64_t c) {
        const F32x8 a = load8(q + c);
        const F32x8 b = load8(z + c);
        F32x8 g;
#pragma unroll
        for (int i = 0; i < kVector; ++i) g.v[i] = along_z * b.v[i] + along_q * a.v[i];
        store8(dq + c, g);
      },
      [&](int64_t c) { dq[c] = along_z * load_f32(z + c) + along_q * load_f32(q + c); });
}

}  // namespace

void byol_loss_cuda(const ByolLossArgs& args, RowDims dims, Dtype dtype, Workspace workspace,
                    Stream stream) {
  double* row_loss = static_cast<double*>(workspace.data);
  const bool aligned = dims.cols % kVector == 0 && aligned16(args.q, args.z, args.dq);
  const int64_t vectors = aligned ? dims.cols / kVector : 0;
  if (dims.rows > 0) {
    with_storage_type(dtype, [&]<class T>(T*) {
      simt::launch(byol_row_kernel<T>,
                   {static_cast<unsigned>(ceil_div(dims.rows, kRowsPerBlock)), kReduceThreads},
                   stream, args, dims, vectors, row_loss);
    });
  }
  simt::launch(sum_parts_kernel<double, float>, {1, kReduceThreads}, stream, row_loss, dims.rows,
               static_cast<double>(args.scale), args.loss);
}

}  // namespace rela
