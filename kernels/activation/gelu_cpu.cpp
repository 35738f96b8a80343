#include "kernels/activation/gelu.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/cpu/parallel.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

struct Point {
  float value;
  float slope;
};

constexpr float kRootHalf = std::numbers::sqrt2_v<float> / 2;
constexpr float kDensityAtZero = std::numbers::inv_sqrtpi_v<float> * kRootHalf;

Point erf_gelu(float h) {
  const float phi = 0.5f * (1.0f + std::erf(h * kRootHalf));
  return {h * phi, phi + h * kDensityAtZero * std::exp(-0.5f * h * h)};
}
/// h sigmoid(v), dv the derivative of v.
Point sigmoid_gelu(float h, float v, float dv) {
  const float s = 1.0f / (1.0f + std::exp(-v));
  return {h * s, s + h * s * (1.0f - s) * dv};
}

/// (1 + tanh(u)) / 2 = sigmoid(2 u).
template <Gelu kKind>
Point gelu_at(float h) {
  if constexpr (kKind == Gelu::kErf) return erf_gelu(h);
  if constexpr (kKind == Gelu::kQuick) return sigmoid_gelu(h, 1.702f * h, 1.702f);
  constexpr float kTwice = 4.0f * kDensityAtZero;  // 2 sqrt(2 / pi)
  constexpr float kCubic = 0.044715f;
  return sigmoid_gelu(h, kTwice * (h + kCubic * h * h * h), kTwice * (1 + 3 * kCubic * h * h));
}

float bias_at(const float* bias, int64_t c) { return bias == nullptr ? 0.0f : bias[c]; }

template <Gelu kKind, class T>
void forward(const GeluForwardArgs& args, RowDims dims) {
  const T* x = static_cast<const T*>(args.x);
  T* y = static_cast<T*>(args.y);
  parallel_for(dims.rows, [&](int64_t r) {
    for (int64_t c = 0; c < dims.cols; ++c) {
      const int64_t i = r * dims.cols + c;
      y[i] = store_as<T>(gelu_at<kKind>(to_float(x[i]) + bias_at(args.bias, c)).value);
    }
  });
}

/// Rows per part of the sum over rows: f32 within a part, f64 over the parts.
constexpr int64_t kPartRows = 64;
int64_t parts_of(RowDims dims) { return (dims.rows + kPartRows - 1) / kPartRows; }

template <Gelu kKind, class T>
void backward(const GeluBackwardArgs& args, RowDims dims, float* partials) {
  const T* dy = static_cast<const T*>(args.dy);
  const T* x = static_cast<const T*>(args.x);
  T* dx = static_cast<T*>(args.dx.data);
  parallel_for(parts_of(dims), [&](int64_t part) {
    float* sums = partials + part * dims.cols;
    std::fill_n(sums, dims.cols, 0.0f);
    const int64_t end = std::min((part + 1) * kPartRows, dims.rows);
    for (int64_t r = part * kPartRows; r < end; ++r) {
      for (int64_t c = 0; c < dims.cols; ++c) {
        const int64_t i = r * dims.cols + c;
        const float h = to_float(x[i]) + bias_at(args.bias, c);
        const float gradient = to_float(dy[i]) * gelu_at<kKind>(h).slope;
        sums[c] += gradient;
        if (dx == nullptr) continue;
        const float old = args.dx.mode == Write::kAccumulate ? to_float(dx[i]) : 0.0f;
        dx[i] = store_as<T>(old + gradient);
      }
    }
  });
}

/// body(std::integral_constant<Gelu, kind>, T*) with T the storage type.
template <class Body>
void with_kind(Gelu kind, Dtype dtype, Body&& body) {
  const auto with_storage = [&](auto constant) {
    with_cpu_storage_type(dtype, [&](auto* type) { body(constant, type); });
  };
  switch (kind) {
    case Gelu::kErf:
      return with_storage(std::integral_constant<Gelu, Gelu::kErf>{});
    case Gelu::kTanh:
      return with_storage(std::integral_constant<Gelu, Gelu::kTanh>{});
    case Gelu::kQuick:
      return with_storage(std::integral_constant<Gelu, Gelu::kQuick>{});
  }
}

}  // namespace

void gelu_forward_cpu(const GeluForwardArgs& args, RowDims dims, Dtype dtype, Stream) {
  with_kind(args.kind, dtype,
            [&]<class T>(auto kind, T*) { forward<decltype(kind)::value, T>(args, dims); });
}

size_t gelu_workspace_bytes_cpu(RowDims dims) {
  return static_cast<size_t>(parts_of(dims) * dims.cols) * sizeof(float);
}

void gelu_backward_cpu(const GeluBackwardArgs& args, RowDims dims, Dtype dtype, Workspace workspace,
                       Stream) {
  float* partials = static_cast<float*>(workspace.data);
  with_kind(args.kind, dtype, [&]<class T>(auto kind, T*) {
    backward<decltype(kind)::value, T>(args, dims, partials);
  });
  if (args.dbias.data == nullptr) return;
  float* dbias = static_cast<float*>(args.dbias.data);
  for (int64_t c = 0; c < dims.cols; ++c) {
    double total = args.dbias.mode == Write::kAccumulate ? dbias[c] : 0.0;
    for (int64_t p = 0; p < parts_of(dims); ++p) total += partials[p * dims.cols + c];
    dbias[c] = static_cast<float>(total);
  }
}

}  // namespace rela
