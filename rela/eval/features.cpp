#include "rela/eval/features.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/ops/statistics.h"

namespace rela {

void check_features(const FeatureSet& set, const char* name) {
  const Tensor& x = set.features;
  RELA_CHECK(x.defined() && x.shape().rank() == 2, ShapeError, name, ": features ", describe(x),
             "; rows [N, D] are allowed");
  RELA_CHECK(x.dtype() == Dtype::kF32, DtypeError, name, ": features ", describe(x),
             "; f32 is allowed");
  RELA_CHECK(set.labels.defined() && set.labels.shape() == Shape{set.size()}, ShapeError, name,
             ": labels ", describe(set.labels), " for features ", describe(x), "; i64 [",
             set.size(), "] is needed");
  const std::span<const int64_t> labels = set.labels.span<int64_t>();
  for (size_t i = 0; i < labels.size(); ++i) {
    RELA_CHECK(labels[i] >= 0 && labels[i] < set.num_classes, DataError, name, ": label ",
               labels[i], " of row ", i, "; 0 to ", set.num_classes - 1,
               " are allowed; check the number of classes");
  }
  const int64_t bad = count_nonfinite(x);
  RELA_CHECK(bad == 0, NonFiniteError, name, ": ", bad, " of ", x.numel(),
             " features are NaN or infinite; only finite ones can be compared; check the weights");
}

FeatureSet select_rows(const FeatureSet& set, std::span<const int64_t> rows) {
  const auto count = static_cast<int64_t>(rows.size());
  const int64_t width = set.width();
  FeatureSet out{Tensor::empty({count, width}, Dtype::kF32), Tensor::empty({count}, Dtype::kI64),
                 set.num_classes};
  const float* from = set.features.data<float>();      // [N, D]
  const int64_t* labels = set.labels.data<int64_t>();  // [N]
  float* to = out.features.data<float>();              // [count, D]
  for (int64_t i = 0; i < count; ++i) {
    RELA_CHECK(rows[i] >= 0 && rows[i] < set.size(), ShapeError, "select_rows: row ", rows[i],
               " of ", set.size(), "; 0 to ", set.size() - 1, " are allowed");
    std::copy_n(from + rows[i] * width, width, to + i * width);
    out.labels.data<int64_t>()[i] = labels[rows[i]];
  }
  return out;
}

}  // namespace rela
