#include <algorithm>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/elementwise/layer_scale.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

template <class T>
void forward(const LayerScaleForwardArgs& args, RowDims dims) {
  parallel_rows(dims, [&](int64_t row) {
    const T* x = static_cast<const T*>(args.x) + row * dims.cols;
    T* y = static_cast<T*>(args.y) + row * dims.cols;
    for_lanes(0, dims.cols, [&](int64_t c, auto lanes) {
      lanes.store(y + c, lanes.load(args.gamma + c) * lanes.load(x + c));
    });
  });
}

/// Rows whose products are summed in f32; sums of them are added in f64.
constexpr int64_t kPartRows = 64;

/// Both gradients of the columns [c, c + lanes).
template <class T>
void backward_columns(const LayerScaleBackwardArgs& args, RowDims dims, int64_t c, auto lanes) {
  const T* dy = static_cast<const T*>(args.dy) + c;
  const T* x = static_cast<const T*>(args.x) + c;
  T* dx = args.dx.data == nullptr ? nullptr : static_cast<T*>(args.dx.data) + c;
  const F32x16 gamma = lanes.load(args.gamma + c);
  const int64_t count = std::min(kLanes, dims.cols - c);
  double totals[kLanes] = {};
  for (int64_t begin = 0; begin < dims.rows; begin += kPartRows) {
    F32x16 part{};
    for (int64_t r = begin; r < std::min(begin + kPartRows, dims.rows); ++r) {
      const int64_t at = r * dims.cols;
      const F32x16 g = lanes.load(dy + at);
      part += g * lanes.load(x + at);
      if (dx == nullptr) continue;
      F32x16 v = gamma * g;
      if (args.dx.mode == Write::kAccumulate) v += lanes.load(dx + at);
      lanes.store(dx + at, v);
    }
    for (int64_t k = 0; k < count; ++k) totals[k] += part[k];
  }
  if (args.dgamma.data == nullptr) return;
  float* to = static_cast<float*>(args.dgamma.data) + c;
  for (int64_t k = 0; k < count; ++k) {
    const double old = args.dgamma.mode == Write::kAccumulate ? to[k] : 0.0;
    to[k] = static_cast<float>(old + totals[k]);
  }
}

}  // namespace

void layer_scale_forward_cpu(const LayerScaleForwardArgs& args, RowDims dims, Dtype dtype, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) { forward<T>(args, dims); });
}

size_t layer_scale_workspace_bytes_cpu(RowDims) { return 0; }

void layer_scale_backward_cpu(const LayerScaleBackwardArgs& args, RowDims dims, Dtype dtype,
                              Workspace, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) {
    parallel_for((dims.cols + kLanes - 1) / kLanes, [&](int64_t sixteen) {
      const int64_t begin = sixteen * kLanes;
      for_lanes(begin, std::min(begin + kLanes, dims.cols),
                [&](int64_t c, auto lanes) { backward_columns<T>(args, dims, c, lanes); });
    });
  });
}

}  // namespace rela
