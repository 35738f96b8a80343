#include "runtime/ops/statistics.h"

#include <cstring>

#include "kernels/reduce/count_nonfinite.h"
#include "kernels/reduce/feature_std.h"
#include "kernels/reduce/sum_of_squares.h"
#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"

namespace rela {
namespace {

const KernelTable<SumOfSquaresFn> kSumOfSquares{"sum_of_squares", sum_of_squares_cpu,
                                                RELA_CUDA_KERNEL(sum_of_squares_cuda)};
const KernelTable<CountNonfiniteFn> kCountNonfinite{"count_nonfinite", count_nonfinite_cpu,
                                                    RELA_CUDA_KERNEL(count_nonfinite_cuda)};
const KernelTable<FeatureStdFn> kFeatureStd{"feature_std", feature_std_cpu,
                                            RELA_CUDA_KERNEL(feature_std_cuda)};

/// Calls compute(&result) with memory that kernels of `device` can write; returns the result on the
/// host.
template <class T, class Compute>
T fetch_result(Device device, Compute&& compute) {
  T result{};
  if (device == Device::kCpu) {
    compute(&result);
    return result;
  }
  Scratch on_device(sizeof(T), device);
  compute(static_cast<T*>(on_device.data()));
  cuda_copy(&result, on_device.data(), sizeof(T), CopyKind::kDeviceToHost);
  return result;
}

}  // namespace

Tensor start_sum_of_squares(const Tensor& x) {
  RELA_CHECK(x.defined() && x.dtype() == Dtype::kF32, DtypeError, "sum_of_squares: x is ",
             describe(x), "; f32 is allowed; cast it first");
  Tensor sum = Tensor::empty({sizeof(double)}, Dtype::kU8, x.device());
  Scratch scratch(kReduceWorkspaceBytes, x.device());
  kSumOfSquares.launch(x.device(), x.ptr<float>(), x.numel(), static_cast<double*>(sum.raw()),
                       scratch.workspace());
  return sum;
}

double as_f64(const Tensor& on_host) {
  RELA_CHECK(on_host.bytes() == sizeof(double), ShapeError, "as_f64: ", describe(on_host),
             "; u8 [8] is needed");
  double value = 0;
  std::memcpy(&value, on_host.data<uint8_t>(), sizeof(double));
  return value;
}

double sum_of_squares(const Tensor& x) { return as_f64(start_sum_of_squares(x).to(Device::kCpu)); }

int64_t count_nonfinite(const Tensor& x) {
  check_activation("count_nonfinite", x);
  Scratch scratch(kReduceWorkspaceBytes, x.device());
  return fetch_result<int64_t>(x.device(), [&](int64_t* count) {
    kCountNonfinite.launch(x.device(), x.raw(), x.numel(), x.dtype(), count, scratch.workspace());
  });
}

float feature_std(const Tensor& x) {
  check_activation("feature_std", x);
  RELA_CHECK(x.shape().rank() >= 1, ShapeError, "feature_std: x is ", describe(x),
             "; it needs features along its last axis");
  const RowDims dims{x.shape().rows(), x.shape().back()};
  Scratch scratch(feature_std_workspace_bytes(dims), x.device());
  return fetch_result<float>(x.device(), [&](float* deviation) {
    kFeatureStd.launch(x.device(), x.raw(), dims, x.dtype(), deviation, scratch.workspace());
  });
}

}  // namespace rela
