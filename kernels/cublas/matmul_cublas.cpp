// cuBLASLt thinks in columns: row-major c [M, N] is column-major c' [N, M], and c' = b' a'.

#include <cublasLt.h>

#include <memory>
#include <string>

#include "kernels/cublas/matmul.h"
#include "kernels/dnnl/plan_cache.h"
#include "kernels/simt/device.h"
#include "kernels/simt/error.h"

namespace rela {
namespace {

/// What NVIDIA recommends for Hopper; older GPUs need less.
constexpr size_t kWorkspaceLimit = size_t{32} << 20;

void check_cublas(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw simt::Error(std::string(call) + ": " + cublasLtGetStatusString(status));
  }
}

template <class T, cublasStatus_t (*kDestroy)(T)>
struct Destroy {
  void operator()(T handle) const { kDestroy(handle); }
};
template <class T, cublasStatus_t (*kDestroy)(T)>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, Destroy<T, kDestroy>>;

using OwnedHandle = Owned<cublasLtHandle_t, cublasLtDestroy>;
using OwnedOperation = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using OwnedLayout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using OwnedPreference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

cudaDataType_t cuda_type(Dtype dtype) { return dtype == Dtype::kBf16 ? CUDA_R_16BF : CUDA_R_32F; }

OwnedHandle make_handle() {
  cublasLtHandle_t handle = nullptr;
  check_cublas(cublasLtCreate(&handle), "cublasLtCreate");
  return OwnedHandle(handle);
}

OwnedOperation make_operation(const MatmulCall& call) {
  const bool tf32 = call.in == Dtype::kF32 && call.f32_math == F32Math::kTf32;
  cublasLtMatmulDesc_t raw = nullptr;
  check_cublas(cublasLtMatmulDescCreate(
                   &raw, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
               "cublasLtMatmulDescCreate");
  OwnedOperation operation(raw);
  const auto set = [raw](cublasLtMatmulDescAttributes_t name, const auto& value) {
    check_cublas(cublasLtMatmulDescSetAttribute(raw, name, &value, sizeof(value)),
                 "cublasLtMatmulDescSetAttribute");
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, call.layout == MatmulLayout::kNt ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_TRANSB, call.layout == MatmulLayout::kTn ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (call.bias == Bias::kPresent) {
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, cuda_type(call.out));
  }
  return operation;
}

/// Column-major [rows, columns] without gaps.
OwnedLayout make_layout(Dtype dtype, int64_t rows, int64_t columns) {
  cublasLtMatrixLayout_t raw = nullptr;
  check_cublas(cublasLtMatrixLayoutCreate(&raw, cuda_type(dtype), static_cast<uint64_t>(rows),
                                          static_cast<uint64_t>(columns), rows),
               "cublasLtMatrixLayoutCreate");
  return OwnedLayout(raw);
}

OwnedPreference make_preference() {
  cublasLtMatmulPreference_t raw = nullptr;
  check_cublas(cublasLtMatmulPreferenceCreate(&raw), "cublasLtMatmulPreferenceCreate");
  OwnedPreference preference(raw);
  const auto set = [raw](cublasLtMatmulPreferenceAttributes_t name, const auto& value) {
    check_cublas(cublasLtMatmulPreferenceSetAttribute(raw, name, &value, sizeof(value)),
                 "cublasLtMatmulPreferenceSetAttribute");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceLimit);
  // A dot product cut into parts is put together from f32, in order.
  const uint32_t reductions =
      CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
  return preference;
}

struct PlanKey {
  int device = 0;
  MatmulCall call;
  auto operator<=>(const PlanKey&) const = default;
};

/// A product with its algorithm, the first of cuBLASLt's heuristics.
struct MatmulPlan {
  MatmulCall call;
  cublasLtHandle_t handle = nullptr;
  OwnedLayout a, b, c;
  cublasLtMatmulHeuristicResult_t choice{};
};

cublasLtHandle_t handle_of(int device) {
  static PlanCache<int, OwnedHandle> handles;
  return handles.get(device, [](int) { return std::make_unique<OwnedHandle>(make_handle()); })
      .get();
}

std::unique_ptr<MatmulPlan> make_plan(const PlanKey& key) {
  const MatmulCall& call = key.call;
  const bool a_transposed = call.layout == MatmulLayout::kTn;
  const bool b_transposed = call.layout == MatmulLayout::kNt;
  auto plan = std::make_unique<MatmulPlan>();
  plan->call = call;
  plan->handle = handle_of(key.device);
  plan->a =
      a_transposed ? make_layout(call.in, call.m, call.k) : make_layout(call.in, call.k, call.m);
  plan->b =
      b_transposed ? make_layout(call.in, call.k, call.n) : make_layout(call.in, call.n, call.k);
  plan->c = make_layout(call.out, call.n, call.m);
  const OwnedOperation operation = make_operation(call);
  const OwnedPreference preference = make_preference();
  int found = 0;
  check_cublas(cublasLtMatmulAlgoGetHeuristic(plan->handle, operation.get(), plan->b.get(),
                                              plan->a.get(), plan->c.get(), plan->c.get(),
                                              preference.get(), 1, &plan->choice, &found),
               "cublasLtMatmulAlgoGetHeuristic");
  if (found == 0) check_cublas(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic");
  return plan;
}

const MatmulPlan& plan_for(const MatmulCall& call) {
  static PlanCache<PlanKey, MatmulPlan> cache;
  return cache.get({simt::current_device(), call}, make_plan);
}

}  // namespace

size_t matmul_workspace_bytes(const MatmulCall& call) {
  return plan_for(call).choice.workspaceSize;
}

void matmul(const MatmulCall& call, const MatmulTensors& tensors, Workspace workspace,
            Stream stream) {
  const MatmulPlan& plan = plan_for(call);
  // Where the bias lies is part of an operation, so each call has its own.
  const OwnedOperation operation = make_operation(call);
  if (call.bias == Bias::kPresent) {
    check_cublas(cublasLtMatmulDescSetAttribute(operation.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                &tensors.bias, sizeof(tensors.bias)),
                 "cublasLtMatmulDescSetAttribute");
  }
  const float one = 1.0f;
  const float keep = call.mode == Write::kAccumulate ? 1.0f : 0.0f;
  check_cublas(cublasLtMatmul(plan.handle, operation.get(), &one, tensors.b, plan.b.get(),
                              tensors.a, plan.a.get(), &keep, tensors.c, plan.c.get(), tensors.c,
                              plan.c.get(), &plan.choice.algo, workspace.data, workspace.bytes,
                              static_cast<cudaStream_t>(stream.handle)),
               "cublasLtMatmul");
}

}  // namespace rela
