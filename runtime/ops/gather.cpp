#include "runtime/ops/gather.h"

#include "kernels/gather/gather_rows.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"

namespace rela {
namespace {

const KernelTable<GatherRowsFn> kGatherRows{"gather_rows", gather_rows_cpu,
                                            RELA_CUDA_KERNEL(gather_rows_cuda)};

}  // namespace

void gather_rows(const Tensor& x, const Tensor& index, Tensor& y) {
  RELA_CHECK(index.dtype() == Dtype::kI64 && y.dtype() == x.dtype(), DtypeError, "gather_rows: x ",
             describe(x), ", index ", describe(index), ", y ", describe(y),
             "; the index must be i64, and y of the dtype of x");
  const int64_t rows = index.numel();
  RELA_CHECK(x.shape().rank() >= 1 && y.shape().rank() >= 1 && y.shape()[0] == rows &&
                 y.numel() * x.shape()[0] == rows * x.numel(),
             ShapeError, "gather_rows: x ", describe(x), ", index ", describe(index), ", y ",
             describe(y), "; y needs a row of x for every index");
  check_same_device("gather_rows", x, "index", index);
  check_same_device("gather_rows", x, "y", y);
  if (rows == 0) return;
  kGatherRows.launch(
      x.device(),
      GatherRowsArgs{.x = x.raw(), .index = index.ptr<int64_t>(), .y = y.raw(), .dtype = x.dtype()},
      RowDims{rows, y.numel() / rows});
}

}  // namespace rela
