#include "kernels/activation/softmax.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

template <class T>
void forward(const T* x, T* y, RowDims dims) {
  parallel_rows(dims, [=](int64_t row) {
    const int64_t at = row * dims.cols;
    float largest = to_float(x[at]);
    for (int64_t c = 1; c < dims.cols; ++c) largest = std::max(largest, to_float(x[at + c]));
    float sum = 0;
    for (int64_t c = 0; c < dims.cols; ++c) sum += std::exp(to_float(x[at + c]) - largest);
    const float scale = 1.0f / sum;
    for (int64_t c = 0; c < dims.cols; ++c) {
      y[at + c] = store_as<T>(std::exp(to_float(x[at + c]) - largest) * scale);
    }
  });
}

template <class T>
void backward(const SoftmaxBackwardArgs& args, RowDims dims) {
  const T* y = static_cast<const T*>(args.y);
  const T* dy = static_cast<const T*>(args.dy);
  T* dx = static_cast<T*>(args.dx.data);
  const Write mode = args.dx.mode;
  parallel_rows(dims, [=](int64_t row) {
    const int64_t at = row * dims.cols;
    float dot = 0;
    for (int64_t c = 0; c < dims.cols; ++c) dot += to_float(y[at + c]) * to_float(dy[at + c]);
    for (int64_t c = 0; c < dims.cols; ++c) {
      const float old = mode == Write::kAccumulate ? to_float(dx[at + c]) : 0.0f;
      dx[at + c] = store_as<T>(old + to_float(y[at + c]) * (to_float(dy[at + c]) - dot));
    }
  });
}

}  // namespace

void softmax_forward_cpu(const void* x, void* y, RowDims dims, Dtype dtype, Stream) {
  if (dims.rows * dims.cols == 0) return;
  with_cpu_storage_type(
      dtype, [&]<class T>(T*) { forward(static_cast<const T*>(x), static_cast<T*>(y), dims); });
}

void softmax_backward_cpu(const SoftmaxBackwardArgs& args, RowDims dims, Dtype dtype, Stream) {
  if (dims.rows * dims.cols == 0) return;
  with_cpu_storage_type(dtype, [&]<class T>(T*) { backward<T>(args, dims); });
}

}  // namespace rela
