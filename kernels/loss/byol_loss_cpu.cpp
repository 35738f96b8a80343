#include "kernels/loss/byol_loss.h"

#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

/// Sums of products of two rows.
struct Products {
  double qq = 0.0;
  double qz = 0.0;
  double zz = 0.0;
};

template <class T>
Products products_of(const T* q, const T* z, int64_t cols) {
  F32x16 qq{};
  F32x16 qz{};
  F32x16 zz{};
  for_lanes(0, cols, [&](int64_t c, auto lanes) {
    const F32x16 a = lanes.load(q + c);
    const F32x16 b = lanes.load(z + c);
    qq += a * a;
    qz += a * b;
    zz += b * b;
  });
  Products sums;
  for (int64_t i = 0; i < kLanes; ++i) {
    sums.qq += qq[i];
    sums.qz += qz[i];
    sums.zz += zz[i];
  }
  return sums;
}

double inverse_norm(double squares) {
  const double norm = std::sqrt(squares);
  return norm <= kByolEps ? 0.0 : 1.0 / norm;  // NaN propagates
}

template <class T>
double row_loss(const ByolLossArgs& args, RowDims dims, int64_t row) {
  const int64_t half = dims.rows / 2;
  const T* q = static_cast<const T*>(args.q) + row * dims.cols;
  const T* z = static_cast<const T*>(args.z) + (row < half ? row + half : row - half) * dims.cols;
  const Products sums = products_of(q, z, dims.cols);
  const double inv_q = inverse_norm(sums.qq);
  const double inv_z = inverse_norm(sums.zz);
  const double cosine = sums.qz * inv_q * inv_z;
  if (args.dq != nullptr) {
    float* dq = args.dq + row * dims.cols;
    const double scale = -2.0 * args.scale * inv_q;
    const F32x16 along_z = splat(static_cast<float>(scale * inv_z));
    const F32x16 along_q = splat(static_cast<float>(-scale * cosine * inv_q));
    for_lanes(0, dims.cols, [&](int64_t c, auto lanes) {
      lanes.store(dq + c, along_z * lanes.load(z + c) + along_q * lanes.load(q + c));
    });
  }
  return 2.0 - 2.0 * cosine;
}

template <class T>
void loss(const ByolLossArgs& args, RowDims dims, double* losses) {
  parallel_rows(dims, [&](int64_t row) { losses[row] = row_loss<T>(args, dims, row); });
  double total = 0.0;
  for (int64_t row = 0; row < dims.rows; ++row) total += losses[row];
  *args.loss = static_cast<float>(total * args.scale);
}

}  // namespace

void byol_loss_cpu(const ByolLossArgs& args, RowDims dims, Dtype dtype, Workspace workspace,
                   Stream) {
  double* losses = static_cast<double*>(workspace.data);
  with_cpu_storage_type(dtype, [&]<class T>(T*) { loss<T>(args, dims, losses); });
}

}  // namespace rela
