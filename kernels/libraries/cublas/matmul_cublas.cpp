// cuBLASLt is column-major: row-major c [M, N] is column-major c' [N, M], and c' = b' a'. There is
// one plan per call and device, made once (kernels/libraries/tuning/tuning.h).

#include <cublasLt.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/libraries/cublas/matmul.h"
#include "kernels/libraries/plan_cache.h"
#include "kernels/libraries/tuning/measure.h"
#include "kernels/libraries/tuning/tuning.h"
#include "kernels/simt/device.h"
#include "kernels/simt/error.h"

namespace rela {
namespace {

/// NVIDIA's recommendation for Hopper; older GPUs need less.
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

cudaDataType_t cuda_type(Dtype dtype) {
  return dtype == Dtype::kF16 ? CUDA_R_16F : dtype == Dtype::kBf16 ? CUDA_R_16BF : CUDA_R_32F;
}

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

/// Column-major [rows, columns] without gaps, `batch` of them.
OwnedLayout make_layout(Dtype dtype, int64_t rows, int64_t columns, int64_t batch) {
  cublasLtMatrixLayout_t raw = nullptr;
  check_cublas(cublasLtMatrixLayoutCreate(&raw, cuda_type(dtype), static_cast<uint64_t>(rows),
                                          static_cast<uint64_t>(columns), rows),
               "cublasLtMatrixLayoutCreate");
  OwnedLayout layout(raw);
  const auto set = [raw](cublasLtMatrixLayoutAttribute_t name, const auto& value) {
    check_cublas(cublasLtMatrixLayoutSetAttribute(raw, name, &value, sizeof(value)),
                 "cublasLtMatrixLayoutSetAttribute");
  };
  if (batch > 1) {
    set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<int32_t>(batch));
    set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, rows * columns);
  }
  return layout;
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
  // A dot product split into parts is combined in f32, in order.
  const uint32_t reductions =
      CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    set(attribute, kMatmulAlignment);
  }
  return preference;
}

using PlanKey = CallOnDevice<MatmulCall>;

/// A product and its algorithm.
struct MatmulPlan {
  MatmulCall call;
  cublasLtHandle_t handle = nullptr;
  OwnedLayout a, b, c;
  cublasLtMatmulHeuristicResult_t choice{};
};

cublasLtHandle_t handle_of(int device) {
  static auto& handles = *new PlanCache<int, OwnedHandle>;  // never destroyed: plan_cache.h
  return handles.get(device, [](int) { return std::make_unique<OwnedHandle>(make_handle()); })
      .get();
}

/// The bias pointer is part of the operation, so each call needs a new one.
OwnedOperation make_operation(const MatmulCall& call, const void* bias) {
  OwnedOperation operation = make_operation(call);
  if (call.bias == Bias::kPresent) {
    check_cublas(cublasLtMatmulDescSetAttribute(operation.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                &bias, sizeof(bias)),
                 "cublasLtMatmulDescSetAttribute");
  }
  return operation;
}

void run(const MatmulPlan& plan, const MatmulTensors& tensors, Workspace workspace, Stream stream) {
  const OwnedOperation operation = make_operation(plan.call, tensors.bias);
  const float one = 1.0f;
  const float keep = plan.call.mode == Write::kAccumulate ? 1.0f : 0.0f;
  check_cublas(cublasLtMatmul(plan.handle, operation.get(), &one, tensors.b, plan.b.get(),
                              tensors.a, plan.a.get(), &keep, tensors.c, plan.c.get(), tensors.c,
                              plan.c.get(), &plan.choice.algo, workspace.data, workspace.bytes,
                              static_cast<cudaStream_t>(stream.handle)),
               "cublasLtMatmul");
}

// ---- the algorithm ----

using Algorithms = std::vector<cublasLtMatmulHeuristicResult_t>;

/// The proposals in the order of cuBLASLt's heuristics; at least one.
Algorithms proposals(const MatmulPlan& plan) {
  const OwnedOperation operation = make_operation(plan.call);
  const OwnedPreference preference = make_preference();
  Algorithms found(kMeasuredAlgorithms);
  int count = 0;
  check_cublas(
      cublasLtMatmulAlgoGetHeuristic(plan.handle, operation.get(), plan.b.get(), plan.a.get(),
                                     plan.c.get(), plan.c.get(), preference.get(),
                                     static_cast<int>(found.size()), found.data(), &count),
      "cublasLtMatmulAlgoGetHeuristic");
  found.resize(static_cast<size_t>(count));
  std::erase_if(found, [](const auto& result) { return result.state != CUBLAS_STATUS_SUCCESS; });
  if (found.empty()) check_cublas(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic");
  return found;
}

/// Everything that distinguishes algorithms: "algorithm 66, 1=20 6=36 ...".
std::string name_of(const cublasLtMatmulAlgo_t& algorithm) {
  std::string name = "algorithm";
  for (const cublasLtMatmulAlgoConfigAttributes_t attribute :
       {CUBLASLT_ALGO_CONFIG_ID, CUBLASLT_ALGO_CONFIG_TILE_ID, CUBLASLT_ALGO_CONFIG_SPLITK_NUM,
        CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING,
        CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION, CUBLASLT_ALGO_CONFIG_STAGES_ID,
        CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID, CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID}) {
    uint32_t value = 0;  // two attributes are uint16_t and fill the lower half
    size_t written = 0;
    const bool half = attribute == CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID ||
                      attribute == CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID;
    const size_t bytes = half ? sizeof(uint16_t) : sizeof(value);
    if (cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, bytes, &written) !=
        CUBLAS_STATUS_SUCCESS) {
      continue;  // this algorithm lacks the attribute
    }
    name += " " + std::to_string(static_cast<int>(attribute)) + "=" + std::to_string(value);
  }
  return name;
}

/// Empty if memory does not suffice or cuBLASLt refuses after all.
std::optional<float> milliseconds(const MatmulPlan& plan) {
  const MatmulCall& call = plan.call;
  MeasuringMemory memory;
  MatmulTensors tensors;
  tensors.a = memory.take(call.batch * call.m * call.k, call.in);
  tensors.b = memory.take(call.batch * call.k * call.n, call.in);
  tensors.c = memory.take(call.batch * call.m * call.n, call.out);
  if (call.bias == Bias::kPresent) tensors.bias = memory.take(call.n, call.out);
  const Workspace workspace{memory.take(plan.choice.workspaceSize), plan.choice.workspaceSize};
  if (!memory.suffices()) return std::nullopt;
  try {
    return fastest_milliseconds([&] { run(plan, tensors, workspace, Stream{}); });
  } catch (const simt::Error&) {
    return std::nullopt;
  }
}

/// A readable name of a call, for the file of choices.
std::string describe(const MatmulCall& call) {
  constexpr const char* kLayouts[] = {"nt", "nn", "tn"};
  std::string text = kLayouts[static_cast<int>(call.layout)];
  text += std::string(" ") + dtype_name(call.in) + " to " + dtype_name(call.out);
  if (call.in == Dtype::kF32) text += call.f32_math == F32Math::kTf32 ? " tf32" : " exact";
  if (call.bias == Bias::kPresent) text += " bias";
  if (call.mode == Write::kAccumulate) text += " accumulate";
  return text + " " + std::to_string(call.m) + "x" + std::to_string(call.n) + "x" +
         std::to_string(call.k) + (call.batch > 1 ? " batch " + std::to_string(call.batch) : "");
}

/// Takes the first proposal, or the fastest of the first few if measuring is on.
void choose_algorithm(MatmulPlan& plan, int device) {
  const Algorithms algorithms = proposals(plan);
  plan.choice = algorithms.front();
  if (tuning().search != PlanSearch::kMeasured) return;
  RankedAlgorithms ranked;
  for (const auto& proposal : algorithms) ranked.names.push_back(name_of(proposal.algo));
  ranked.milliseconds = [&](size_t algorithm) {
    plan.choice = algorithms[algorithm];
    return milliseconds(plan);
  };
  plan.choice = algorithms[choose_algorithm(describe(plan.call), ranked,
                                            choice_file(device, cublaslt_version()))];
}

std::unique_ptr<MatmulPlan> make_plan(const PlanKey& key) {
  const MatmulCall& call = key.call;
  const bool a_transposed = call.layout == MatmulLayout::kTn;
  const bool b_transposed = call.layout == MatmulLayout::kNt;
  auto plan = std::make_unique<MatmulPlan>();
  plan->call = call;
  plan->handle = handle_of(key.device);
  plan->a = a_transposed ? make_layout(call.in, call.m, call.k, call.batch)
                         : make_layout(call.in, call.k, call.m, call.batch);
  plan->b = b_transposed ? make_layout(call.in, call.k, call.n, call.batch)
                         : make_layout(call.in, call.n, call.k, call.batch);
  plan->c = make_layout(call.out, call.n, call.m, call.batch);
  choose_algorithm(*plan, key.device);
  return plan;
}

const MatmulPlan& plan_for(const MatmulCall& call) {
  static auto& cache = *new PlanCache<PlanKey, MatmulPlan>;  // never destroyed: plan_cache.h
  return cache.get({simt::current_device(), call}, make_plan);
}

}  // namespace

size_t matmul_workspace_bytes(const MatmulCall& call) {
  return plan_for(call).choice.workspaceSize;
}

void matmul(const MatmulCall& call, const MatmulTensors& tensors, Workspace workspace,
            Stream stream) {
  run(plan_for(call), tensors, workspace, stream);
}

}  // namespace rela
