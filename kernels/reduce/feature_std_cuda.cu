// A collapsed feature has a tiny deviation around a large mean: hence two passes, and f64 sums.
// Called with a few hundred rows, once in many steps.

#include "kernels/gpu/reduce.h"
#include "kernels/reduce/feature_std.h"

namespace rela {
namespace {

/// One warp per row: 1 / |x_r|, or 0 for a row of zeros.
template <class T>
__global__ void __launch_bounds__(kReduceThreads)
    inverse_norm_kernel(const T* x, RowDims d, double* inverse) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (kReduceThreads / 32) + threadIdx.x / 32;
  if (row >= d.rows) return;  // whole warps
  const int lane = static_cast<int>(threadIdx.x % 32);
  double squares = 0;
  for (int64_t c = lane; c < d.cols; c += 32) {
    const double v = load_f32(x + row * d.cols + c);
    squares += v * v;
  }
  const double norm = sqrt(warp_sum(squares));
  if (lane == 0) inverse[row] = norm <= 1e-12 ? 0.0 : 1.0 / norm;
}

constexpr int kColumns = 32;
constexpr int kRowLanes = kReduceThreads / kColumns;

/// Every thread gets the sum of x over the threads of its column.
__device__ inline double column_sum(double x, double (*part)[kColumns]) {
  const int column = static_cast<int>(threadIdx.x) % kColumns;
  __syncthreads();  // part[] may still be read by an earlier call
  part[threadIdx.x / kColumns][column] = x;
  __syncthreads();  // part[] is complete
  double sum = 0;
  for (int lane = 0; lane < kRowLanes; ++lane) sum += part[lane][column];
  return sum;
}

/// One block for 32 columns: the deviation of each over the scaled rows.
template <class T>
__global__ void __launch_bounds__(kReduceThreads)
    column_deviation_kernel(const T* x, const double* inverse, RowDims d, double* deviation) {
  SIMT_SHARED(double, part, [kRowLanes][kColumns]);
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kColumns + threadIdx.x % kColumns;
  const int64_t first = threadIdx.x / kColumns;
  const int64_t rows = column < d.cols ? d.rows : 0;  // past the edge: empty sums
  double sum = 0;
  for (int64_t r = first; r < rows; r += kRowLanes) {
    sum += static_cast<double>(load_f32(x + r * d.cols + column)) * inverse[r];
  }
  const double mean = column_sum(sum, part) / static_cast<double>(d.rows);
  double squares = 0;
  for (int64_t r = first; r < rows; r += kRowLanes) {
    const double offset =
        static_cast<double>(load_f32(x + r * d.cols + column)) * inverse[r] - mean;
    squares += offset * offset;
  }
  squares = column_sum(squares, part);
  if (first == 0 && column < d.cols) {
    deviation[column] = sqrt(squares / static_cast<double>(d.rows));
  }
}

}  // namespace

void feature_std_cuda(const void* x, RowDims dims, Dtype dtype, float* result, Workspace workspace,
                      Stream stream) {
  const bool empty = dims.rows == 0 || dims.cols == 0;
  double* inverse = static_cast<double*>(workspace.data);  // [rows]
  double* deviation = inverse + dims.rows;                 // [cols]
  if (!empty) {
    with_storage_type(dtype, [&]<class T>(T*) {
      const T* values = static_cast<const T*>(x);
      simt::launch(
          inverse_norm_kernel<T>,
          {static_cast<unsigned>(ceil_div(dims.rows, kReduceThreads / 32)), kReduceThreads}, stream,
          values, dims, inverse);
      simt::launch(column_deviation_kernel<T>,
                   {static_cast<unsigned>(ceil_div(dims.cols, kColumns)), kReduceThreads}, stream,
                   values, inverse, dims, deviation);
    });
  }
  const int64_t count = empty ? 0 : dims.cols;
  const double mean = count == 0 ? 0.0 : 1.0 / static_cast<double>(count);
  simt::launch(sum_parts_kernel<double, float>, {1, kReduceThreads}, stream, deviation, count, mean,
               result);
}

}  // namespace rela
