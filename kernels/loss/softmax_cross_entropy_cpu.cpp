#include "kernels/loss/softmax_cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

template <class T>
void forward(const SoftmaxCrossEntropyArgs& args, RowDims dims, double* row_loss) {
  parallel_rows(dims, [&](int64_t row) {
    const T* logits = static_cast<const T*>(args.logits) + row * dims.cols;  // [cols]
    float max = to_float(logits[0]);
    for (int64_t k = 1; k < dims.cols; ++k) max = std::max(max, to_float(logits[k]));
    float sum = 0.0f;
    for (int64_t k = 0; k < dims.cols; ++k) sum += std::exp(to_float(logits[k]) - max);
    args.row_max[row] = max;
    args.row_sum[row] = sum;
    row_loss[row] = std::log(sum) - (to_float(logits[args.labels[row]]) - max);
  });
  double total = 0.0;
  for (int64_t row = 0; row < dims.rows; ++row) total += row_loss[row];
  *args.loss = dims.rows == 0 ? 0.0f : static_cast<float>(total / static_cast<double>(dims.rows));
}

template <class T>
void backward(const SoftmaxCrossEntropyBackwardArgs& args, RowDims dims) {
  const float scale = *args.dloss / static_cast<float>(dims.rows);
  parallel_rows(dims, [&](int64_t row) {
    const T* logits = static_cast<const T*>(args.logits) + row * dims.cols;
    T* dlogits = static_cast<T*>(args.dlogits.data) + row * dims.cols;
    const float max = args.row_max[row];
    const float inv_sum = 1.0f / args.row_sum[row];
    for (int64_t k = 0; k < dims.cols; ++k) {
      const float p = std::exp(to_float(logits[k]) - max) * inv_sum;
      float g = scale * (k == args.labels[row] ? p - 1.0f : p);
      if (args.dlogits.mode == Write::kAccumulate) g += to_float(dlogits[k]);
      dlogits[k] = store_as<T>(g);
    }
  });
}

}  // namespace

void softmax_cross_entropy_forward_cpu(const SoftmaxCrossEntropyArgs& args, RowDims dims,
                                       Dtype dtype, Workspace workspace, Stream) {
  double* row_loss = static_cast<double*>(workspace.data);
  with_cpu_storage_type(dtype, [&]<class T>(T*) { forward<T>(args, dims, row_loss); });
}

void softmax_cross_entropy_backward_cpu(const SoftmaxCrossEntropyBackwardArgs& args, RowDims dims,
                                        Dtype dtype, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) { backward<T>(args, dims); });
}

}  // namespace rela
