#include "kernels/transport/transport_rows_cuda.h"

namespace rela {
namespace {

constexpr int kRowThreads = 256;

__device__ inline double inverse_norm(double squares) {
  const double norm = sqrt(squares);
  return norm <= kTransportEps ? 0.0 : 1.0 / norm;  // NaN propagates
}

/// The formulas of transport_row.h, one thread per row.
__global__ void __launch_bounds__(kRowThreads)
    row_kernel(TransportPartSums in, TransportDims d, TransportMeasure measure,
               TransportOutputs out, RowGradient* gradients, double* losses) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= d.rows) return;
  double pp = 0.0, py = 0.0, yy = 0.0, residual = 0.0;
  for (int64_t part = 0; part < in.parts; ++part) {
    const RowSums s = in.sums[part * d.rows + row];
    pp += s.x;
    py += s.y;
    yy += s.z;
    residual += s.w;
  }
  const double inv_p = inverse_norm(pp), inv_y = inverse_norm(yy);
  const double cosine = py * inv_p * inv_y;
  const bool is_cosine = measure == TransportMeasure::kCosine;
  if (out.residual != nullptr) out.residual[row] = static_cast<float>(residual);
  if (out.cosine != nullptr) out.cosine[row] = static_cast<float>(1.0 - cosine);
  losses[row] = is_cosine ? 1.0 - cosine : residual;
  const double scale = 1.0 / static_cast<double>(d.rows);
  gradients[row] = {static_cast<float>(scale * (is_cosine ? cosine * inv_p * inv_p : 2.0)),
                    static_cast<float>(scale * (is_cosine ? -inv_p * inv_y : -2.0))};
}

/// One block: the mean, summed in a fixed order.
__global__ void __launch_bounds__(kRowThreads)
    loss_kernel(const double* losses, int64_t rows, float* loss) {
  SIMT_SHARED(double, part, [kRowThreads]);
  const int thread = static_cast<int>(threadIdx.x);
  double sum = 0.0;
  for (int64_t row = thread; row < rows; row += kRowThreads) sum += losses[row];
  part[thread] = sum;
  __syncthreads();  // every thread's sum is there
  if (thread != 0) return;
  double total = 0.0;
  for (int t = 0; t < kRowThreads; ++t) total += part[t];
  *loss = static_cast<float>(total / static_cast<double>(rows));
}

/// Weights in the type of h.
template <class T, class Given>
__global__ void __launch_bounds__(kRowThreads)
    convert_kernel(const Given* from, int64_t count, T* to) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) store_f32(to + i, load_f32(from + i));
}
__global__ void __launch_bounds__(kRowThreads) fill_zero_kernel(float* to, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) to[i] = 0.0f;
}

unsigned blocks_for(int64_t threads) {
  return static_cast<unsigned>(ceil_div(threads, kRowThreads));
}

}  // namespace

void finish_transport_rows(const TransportPartSums& sums, const TransportProblem& problem,
                           const TransportOutputs& out, RowGradient* gradients, double* losses,
                           Stream stream) {
  const TransportDims& d = problem.dims;
  simt::launch(row_kernel, {blocks_for(d.rows), kRowThreads}, stream, sums, d, problem.measure, out,
               gradients, losses);
  if (out.loss != nullptr) {
    simt::launch(loss_kernel, {1, kRowThreads}, stream, losses, d.rows, out.loss);
  }
}

const void* matching_transport_weights(const TransportProblem& problem, const void* w, void* copy,
                                       Stream stream) {
  if (problem.weight_dtype == problem.dtype) return w;
  const int64_t count = problem.dims.outputs * problem.dims.width;
  with_storage_type(problem.dtype, [&]<class T>(T*) {
    with_storage_type(problem.weight_dtype, [&]<class Given>(Given*) {
      simt::launch(convert_kernel<T, Given>, {blocks_for(count), kRowThreads}, stream,
                   static_cast<const Given*>(w), count, static_cast<T*>(copy));
    });
  });
  return copy;
}

void clear_transport_outputs(const TransportDims& d, const TransportOutputs& out, Stream stream) {
  const auto clear = [stream](float* to, int64_t count) {
    if (to == nullptr) return;
    simt::launch(fill_zero_kernel, {blocks_for(count), kRowThreads}, stream, to, count);
  };
  clear(out.loss, 1);
  clear(out.dw, d.outputs * d.width);
  clear(out.db, d.outputs);
}

}  // namespace rela
