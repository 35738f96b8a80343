#include "tests/support/array.h"

#include <algorithm>
#include <cmath>

#include "runtime/error.h"
#include "runtime/ops/ops.h"

namespace rela::test {
namespace {

constexpr double kUlpF32 = 0x1p-24;  // half a unit in the last place, relative
constexpr double kUlpBf16 = 0x1p-8;  // twice that, so that a product rounded twice also fits
constexpr double kUlpF16 = 0x1p-11;
constexpr double kSmallestF16 = 0x1p-24;  // the step of f16 near 0

std::string index_text(const Shape& shape, int64_t flat) {
  std::vector<int64_t> index(shape.dims().size());
  for (size_t axis = index.size(); axis-- > 0;) {
    index[axis] = flat % shape.dims()[axis];
    flat /= shape.dims()[axis];
  }
  return to_string(Shape(index));
}

}  // namespace

Array random_array(const Shape& shape, Random& random, double low, double high) {
  Array a(shape);
  std::uniform_real_distribution<float> uniform(static_cast<float>(low), static_cast<float>(high));
  for (double& x : a.data) x = to_float(to_bf16(uniform(random)));
  return a;
}

float stored(float x, Dtype dtype) {
  switch (dtype) {
    case Dtype::kBf16:
      return to_float(to_bf16(x));
    case Dtype::kF16:
      return to_float(to_f16(x));
    default:
      return x;
  }
}

Array to_array(const Tensor& there) {
  const Tensor tensor = cast(Var(there.to(Device::kCpu)), Dtype::kF32).value();
  Array a(tensor.shape());
  for (int64_t i = 0; i < a.numel(); ++i) a[i] = tensor.data<float>()[i];
  return a;
}

Tensor to_tensor(const Array& array, Dtype dtype, Device device) {
  Tensor t = Tensor::empty(array.shape, Dtype::kF32);
  for (int64_t i = 0; i < array.numel(); ++i) t.data<float>()[i] = static_cast<float>(array[i]);
  return cast(Var(t), dtype).value().to(device);
}

Tolerance tolerance_of(const RoundingModel& model, const Array& want) {
  double largest = 0;
  for (const double x : want.data) largest = std::max(largest, std::abs(x));
  // Errors of a sum grow like the root of its length; elements that cancel retain the absolute
  // error.
  const double sum_error =
      model.slack * 4 * kUlpF32 * std::sqrt(static_cast<double>(model.reduction)) * largest;
  if (model.dtype == Dtype::kF32) return {sum_error, 4 * model.slack * kUlpF32};
  const bool f16 = model.dtype == Dtype::kF16;
  const double ulp = f16 ? kUlpF16 : kUlpBf16;
  const double smallest = f16 ? model.roundings * kSmallestF16 : 0;
  return {sum_error + (model.roundings - 1) * ulp * largest + smallest, ulp};
}

std::string difference(const std::string& what, const Array& got, const Array& want,
                       Tolerance tolerance) {
  if (got.shape != want.shape) {
    return cat(what, ": shape ", got.shape, ", expected ", want.shape, "\n");
  }
  double worst = 0;
  int64_t worst_index = 0;
  for (int64_t i = 0; i < got.numel(); ++i) {
    const double limit = tolerance.atol + tolerance.rtol * std::abs(want[i]);
    const double error = std::abs(got[i] - want[i]);
    const double used = error == 0 ? 0 : error / limit;
    if (!(used <= worst)) {
      worst = used;
      worst_index = i;
    }
    if (std::isnan(used)) break;
  }
  if (worst <= 1) return "";
  return cat(what, ": at ", index_text(want.shape, worst_index), " of ", want.shape, " got ",
             got[worst_index], ", expected ", want[worst_index], ", ", worst, " times the limit\n");
}

}  // namespace rela::test
