// Column sums, plain and weighted by the rows' squared norms, by slices of the rows; the slices are
// then added in order.

#include <algorithm>

#include "kernels/gram/gram_algorithms_cuda.h"
#include "kernels/gram/gram_rows_cuda.h"

namespace rela {
namespace {

constexpr int kColumnThreads = 256;
constexpr int kColumns = 32;  // per block that sums columns: 8 threads share each
constexpr int kSharers = kColumnThreads / kColumns;

struct Slices {
  int64_t count = 1, rows = 1;  // per slice
};
Slices slices_of(const GramDims& d) {
  const int64_t count = std::clamp<int64_t>(d.rows / 256, 1, 64);
  return {count, ceil_div(d.rows, count)};
}

/// norms [N, 2]: |x part|^2 and |y part|^2 of the shifted rows, one warp per row.
template <class T>
__global__ void __launch_bounds__(kColumnThreads) norms_kernel(JoinedRows<T> z, double* norms) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t row = (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  if (row >= z.d.rows) return;
  double a = 0.0, b = 0.0;
  for (int64_t c = lane; c < z.d.p + z.d.q; c += 32) {
    const double u = z.shifted(row, c);
    (c < z.d.p ? a : b) += u * u;
  }
  for (int step = 16; step > 0; step /= 2) {
    a += __shfl_xor_sync(0xffffffffu, a, step);
    b += __shfl_xor_sync(0xffffffffu, b, step);
  }
  if (lane == 0) norms[2 * row] = a;
  if (lane == 0) norms[2 * row + 1] = b;
}

/// partial [slices, 3, P]: sums of the columns of one slice of rows, plain and weighted by a and b.
template <class T>
__global__ void __launch_bounds__(kColumnThreads)
    columns_kernel(JoinedRows<T> z, Slices slices, const double* norms, double* partial) {
  SIMT_SHARED(double, part, [3][kSharers][kColumns]);
  const int thread = static_cast<int>(threadIdx.x);
  const int sharer = thread / kColumns, width = static_cast<int>(z.d.p + z.d.q);
  const int column = static_cast<int>(blockIdx.x) * kColumns + thread % kColumns;
  const int64_t begin = blockIdx.y * slices.rows;
  const int64_t end = min(begin + slices.rows, z.d.rows);
  double sums[3] = {};
  for (int64_t row = begin + sharer; row < end && column < width; row += kSharers) {
    const double u = z.shifted(row, column);
    sums[0] += u;
    sums[1] += norms[2 * row] * u;
    sums[2] += norms[2 * row + 1] * u;
  }
  for (int k = 0; k < 3; ++k) part[k][sharer][thread % kColumns] = sums[k];
  __syncthreads();  // every thread's sums are there
  if (sharer >= 3 || column >= width) return;
  double sum = 0.0;
  for (int s = 0; s < kSharers; ++s) sum += part[sharer][s][thread % kColumns];
  partial[(static_cast<int64_t>(blockIdx.y) * 3 + sharer) * width + column] = sum;
}

/// Adds the slices to the caller's sums; `column_sums` receives the column sums of this call alone.
__global__ void __launch_bounds__(kColumnThreads)
    add_columns_kernel(const double* partial, int64_t slices, int64_t width, GramSums sums,
                       double* column_sums) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= 3 * width) return;
  double sum = 0.0;
  for (int64_t s = 0; s < slices; ++s) sum += partial[s * 3 * width + i];
  if (i < width) {
    column_sums[i] = sum;
    if (sums.column != nullptr) sums.column[i] += sum;
  } else if (sums.weighted != nullptr) {
    sums.weighted[i - width] += sum;
  }
}

/// One block adds sum a^2, a b, b^2.
__global__ void __launch_bounds__(kColumnThreads)
    quartic_kernel(const double* norms, int64_t rows, double* quartic) {
  SIMT_SHARED(double, part, [3][kColumnThreads]);
  const int thread = static_cast<int>(threadIdx.x);
  double sums[3] = {};
  for (int64_t row = thread; row < rows; row += kColumnThreads) {
    const double a = norms[2 * row], b = norms[2 * row + 1];
    sums[0] += a * a;
    sums[1] += a * b;
    sums[2] += b * b;
  }
  for (int k = 0; k < 3; ++k) part[k][thread] = sums[k];
  __syncthreads();  // every thread's sums are there
  if (thread >= 3) return;
  double sum = 0.0;
  for (int t = 0; t < kColumnThreads; ++t) sum += part[thread][t];
  quartic[thread] += sum;
}

/// shift [P]: mean of the first rows of a column, 0 where that is not finite.
template <class T>
__global__ void __launch_bounds__(kColumnThreads)
    shift_kernel(JoinedRows<T> z, int64_t rows, float* shift) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= z.d.p + z.d.q) return;
  double sum = 0.0;
  for (int64_t row = 0; row < rows; ++row) sum += z.raw(row, column);
  const bool is_finite = sum - sum == 0.0;
  shift[column] =
      rows > 0 && is_finite ? static_cast<float>(sum / static_cast<double>(rows)) : 0.0f;
}

unsigned blocks_for(int64_t threads) {
  return static_cast<unsigned>(ceil_div(threads, kColumnThreads));
}

}  // namespace

size_t gram_columns_workspace_bytes_cuda(const GramDims& dims) {
  const int64_t doubles = 2 * dims.rows + 3 * slices_of(dims).count * dims.columns();
  return static_cast<size_t>(doubles) * sizeof(double);
}

void gram_columns_cuda(const GramInputs& in, const GramSums& sums, const GramDims& dims,
                       double* column_sums, Workspace workspace, Stream stream) {
  const Slices slices = slices_of(dims);
  double* const norms = static_cast<double*>(workspace.data);
  double* const partial = norms + 2 * dims.rows;  // three sums per column and slice
  with_storage_type(in.dtype, [&]<class T>(T*) {
    const JoinedRows<T> z = joined_rows<T>(in, dims);
    simt::launch(norms_kernel<T>, {blocks_for(32 * dims.rows), kColumnThreads}, stream, z, norms);
    const dim3 grid(static_cast<unsigned>(ceil_div(dims.columns(), kColumns)),
                    static_cast<unsigned>(slices.count));
    simt::launch(columns_kernel<T>, {grid, kColumnThreads}, stream, z, slices, norms, partial);
  });
  simt::launch(add_columns_kernel, {blocks_for(3 * dims.columns()), kColumnThreads}, stream,
               partial, slices.count, dims.columns(), sums, column_sums);
  if (sums.quartic != nullptr) {
    simt::launch(quartic_kernel, {1, kColumnThreads}, stream, norms, dims.rows, sums.quartic);
  }
}

void gram_shift_cuda(const GramInputs& in, float* shift, const GramDims& dims, Stream stream) {
  with_storage_type(in.dtype, [&]<class T>(T*) {
    simt::launch(shift_kernel<T>, {blocks_for(dims.columns()), kColumnThreads}, stream,
                 joined_rows<T>(in, dims), std::min(dims.rows, kGramChunk), shift);
  });
}

}  // namespace rela
