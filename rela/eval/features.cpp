#include "rela/eval/features.h"

#include "runtime/error.h"
#include "runtime/ops/gather.h"
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
  FeatureSet out{Tensor::empty({count, set.width()}, Dtype::kF32, set.device()),
                 Tensor::empty({count}, Dtype::kI64), set.num_classes};
  Tensor index = Tensor::empty({count}, Dtype::kI64);
  for (int64_t i = 0; i < count; ++i) {
    RELA_CHECK(rows[i] >= 0 && rows[i] < set.size(), ShapeError, "select_rows: row ", rows[i],
               " of ", set.size(), "; 0 to ", set.size() - 1, " are allowed");
    index.data<int64_t>()[i] = rows[i];
  }
  gather_rows(set.features, index.to(set.device()), out.features);
  gather_rows(set.labels, index, out.labels);
  return out;
}

}  // namespace rela
