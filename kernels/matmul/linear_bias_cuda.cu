#include "kernels/gpu/storage.h"
#include "kernels/matmul/linear.h"

namespace rela {
namespace {

constexpr int kThreads = 256;
constexpr int kColumns = 32;  // per block: 64 bytes of a bf16 row, 128 of an f32 row

/// Block: 32 columns, all rows. Thread: kWidth neighbouring columns of every kRowLanes-th row,
/// added in order; then the row lanes are added in order.
template <class T, int kWidth, bool kAccumulate>
__global__ void __launch_bounds__(kThreads)
    bias_gradient_kernel(const T* dy, RowDims d, float* db) {
  constexpr int kColumnLanes = kColumns / kWidth;
  constexpr int kRowLanes = kThreads / kColumnLanes;
  SIMT_SHARED(float, part, [kRowLanes][kColumns + 1]);
  const int thread = static_cast<int>(threadIdx.x);
  const int row_lane = thread / kColumnLanes;
  const int offset = thread % kColumnLanes * kWidth;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kColumns;
  float sum[kWidth] = {};
  if (first + offset < d.cols) {  // rows are whole vectors when kWidth is 8
    for (int64_t row = row_lane; row < d.rows; row += kRowLanes) {
      const T* p = dy + row * d.cols + first + offset;
      if constexpr (kWidth == kVector) {
        const F32x8 x = load8(p);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sum[i] += x.v[i];
      } else {
        sum[0] += load_f32(p);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) part[row_lane][offset + i] = sum[i];
  __syncthreads();  // part[] is complete
  const int64_t column = first + thread;
  if (thread >= kColumns || column >= d.cols) return;
  float total = 0;
  for (int lane = 0; lane < kRowLanes; ++lane) total += part[lane][thread];
  db[column] = kAccumulate ? db[column] + total : total;
}

}  // namespace

void linear_backward_bias_cuda(const LinearProblem& problem, const void* dy, GradOut db,
                               Stream stream) {
  const RowDims d{problem.dims.n, problem.dims.k};
  if (d.cols == 0) return;
  const bool vectors = aligned16(dy) && d.cols % kVector == 0;
  const bool accumulate = db.mode == Write::kAccumulate;
  with_storage_type(problem.dtype, [&]<class T>(T*) {
    const auto wide = accumulate ? bias_gradient_kernel<T, kVector, true>
                                 : bias_gradient_kernel<T, kVector, false>;
    const auto narrow =
        accumulate ? bias_gradient_kernel<T, 1, true> : bias_gradient_kernel<T, 1, false>;
    simt::launch(vectors ? wide : narrow,
                 {static_cast<unsigned>(ceil_div(d.cols, kColumns)), kThreads}, stream,
                 static_cast<const T*>(dy), d, static_cast<float*>(db.data));
  });
}

}  // namespace rela
