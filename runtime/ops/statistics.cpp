#include "runtime/ops/statistics.h"

#include "kernels/reduce/count_nonfinite.h"
#include "kernels/reduce/feature_std.h"
#include "kernels/reduce/sum_of_squares.h"
#include "runtime/error.h"
#include "runtime/kernel_table.h"

namespace rela {
namespace {

const KernelTable<SumOfSquaresFn> kSumOfSquares{"sum_of_squares", sum_of_squares_cpu};
const KernelTable<CountNonfiniteFn> kCountNonfinite{"count_nonfinite", count_nonfinite_cpu};
const KernelTable<FeatureStdFn> kFeatureStd{"feature_std", feature_std_cpu};

void check_float(const char* op, const Tensor& x) {
  RELA_CHECK(x.defined() && (x.dtype() == Dtype::kF32 || x.dtype() == Dtype::kBf16), DtypeError, op,
             ": x is ", describe(x), "; f32 and bf16 are allowed");
}

}  // namespace

double sum_of_squares(const Tensor& x) {
  RELA_CHECK(x.defined() && x.dtype() == Dtype::kF32, DtypeError, "sum_of_squares: x is ",
             describe(x), "; f32 is allowed; cast it first");
  double sum = 0.0;
  kSumOfSquares.at(x.device())(x.data<float>(), x.numel(), &sum, Stream{});
  return sum;
}

int64_t count_nonfinite(const Tensor& x) {
  check_float("count_nonfinite", x);
  int64_t count = 0;
  kCountNonfinite.at(x.device())(x.raw(), x.numel(), x.dtype(), &count, Stream{});
  return count;
}

float feature_std(const Tensor& x) {
  check_float("feature_std", x);
  RELA_CHECK(x.shape().rank() >= 1, ShapeError, "feature_std: x is ", describe(x),
             "; it needs features along its last axis");
  float result = 0.0f;
  kFeatureStd.at(x.device())(x.raw(), RowDims{x.shape().rows(), x.shape().back()}, x.dtype(),
                             &result, Stream{});
  return result;
}

}  // namespace rela
