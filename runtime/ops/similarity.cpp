#include "runtime/ops/similarity.h"

#include "kernels/norm/l2_normalize.h"
#include "kernels/similarity/top_k.h"
#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"

namespace rela {
namespace {

const KernelTable<L2NormalizeRowsFn> kNormalize{"l2_normalize_rows", l2_normalize_rows_cpu,
                                                RELA_CUDA_KERNEL(l2_normalize_rows_cuda)};
const KernelTable<TopKFn> kTopK{"top_k_similarity", top_k_similarity_cpu,
                                RELA_CUDA_KERNEL(top_k_similarity_cuda), kMeasuredAlgorithms};
const KernelTable<TopKWorkspaceFn> kTopKWorkspace{
    "top_k_similarity workspace", top_k_similarity_workspace_bytes_cpu,
    RELA_CUDA_KERNEL(top_k_similarity_workspace_bytes_cuda)};

void check_matrix(const char* op, const char* name, const Tensor& x) {
  RELA_CHECK(x.defined() && x.shape().rank() == 2, ShapeError, op, ": ", name, " is ", describe(x),
             "; rows [N, D] are allowed; view it as a matrix first");
}

void check_rows(const char* op, const char* name, const Tensor& x) {
  check_matrix(op, name, x);
  RELA_CHECK(x.dtype() == Dtype::kF32, DtypeError, op, ": ", name, " is ", describe(x),
             "; f32 is allowed; cast it first");
}

}  // namespace

Tensor l2_normalize_rows(const Tensor& x) {
  check_rows("l2_normalize_rows", "x", x);
  Tensor y = Tensor::empty(x.shape(), Dtype::kF32, x.device());
  kNormalize.launch(x.device(), x.ptr<float>(), y.ptr<float>(),
                    RowDims{x.shape()[0], x.shape()[1]});
  return y;
}

TopK top_k_similarity(const Tensor& x, const Tensor& y, int64_t k) {
  check_matrix("top_k_similarity", "x", x);
  check_matrix("top_k_similarity", "y", y);
  check_activation("top_k_similarity", x);
  RELA_CHECK(y.dtype() == x.dtype(), DtypeError, "top_k_similarity: x is ", describe(x), ", y is ",
             describe(y), "; both must be of one type; cast one first");
  check_same_device("top_k_similarity", x, "y", y);
  const TopKDims dims{.queries = x.shape()[0],
                      .candidates = y.shape()[0],
                      .width = x.shape()[1],
                      .k = k,
                      .dtype = x.dtype()};
  RELA_CHECK(dims.width == y.shape()[1], ShapeError, "top_k_similarity: x ", describe(x), " and y ",
             describe(y), "; both need the same number of columns");
  RELA_CHECK(k >= 0 && k <= dims.candidates && dims.candidates <= UINT32_MAX, ShapeError,
             "top_k_similarity: k is ", k, " for y ", describe(y), "; 0 to ", dims.candidates,
             " is allowed, and at most 4294967295 rows");
  RELA_CHECK(x.device() == Device::kCpu || k <= kTopKCudaLimit, UnsupportedError,
             "top_k_similarity: k is ", k, " on cuda; 0 to ", kTopKCudaLimit,
             " is allowed there; choose a smaller k or the cpu");
  TopK best{Tensor::empty({dims.queries, k}, Dtype::kF32, x.device()),
            Tensor::empty({dims.queries, k}, Dtype::kI64, x.device())};
  Scratch scratch(kTopKWorkspace.at(x.device())(dims), x.device());
  kTopK.launch(x.device(), x.raw(), y.raw(),
               TopKOutput{best.values.ptr<float>(), best.indices.ptr<int64_t>()}, dims,
               scratch.workspace());
  return best;
}

}  // namespace rela
