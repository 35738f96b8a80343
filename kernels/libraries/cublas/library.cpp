// cuBLASLt's functions as its header declares them, each looked up in the library on its first
// call.

#include "kernels/libraries/cublas/library.h"

#include <cublasLt.h>

namespace rela {

const SharedLibrary& cublaslt_library() {
  static const SharedLibrary library(
      {.name = "cuBLASLt",
       .file = "libcublasLt.so.13",
       .variable = "CUDA_HOME",
       .folder = RELA_CUBLAS_FOLDER,
       .python = "nvidia/cu13/lib",
       .package = "NVIDIA's package libcublas-13-0, or pip's nvidia-cublas"});
  return library;
}

namespace {

template <auto* kDeclared>
auto* found(const char* name) {
  return function_of<cublaslt_library, kDeclared>(name);
}

}  // namespace
}  // namespace rela

using rela::found;

extern "C" {

size_t cublasLtGetVersion() { return found<&cublasLtGetVersion>("cublasLtGetVersion")(); }

const char* cublasLtGetStatusString(cublasStatus_t status) {
  return found<&cublasLtGetStatusString>("cublasLtGetStatusString")(status);
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return found<&cublasLtCreate>("cublasLtCreate")(handle);
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return found<&cublasLtDestroy>("cublasLtDestroy")(handle);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation,
                                        cublasComputeType_t compute, cudaDataType_t scale) {
  return found<&cublasLtMatmulDescCreate>("cublasLtMatmulDescCreate")(operation, compute, scale);
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  return found<&cublasLtMatmulDescDestroy>("cublasLtMatmulDescDestroy")(operation);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                              cublasLtMatmulDescAttributes_t name,
                                              const void* value, size_t bytes) {
  return found<&cublasLtMatmulDescSetAttribute>("cublasLtMatmulDescSetAttribute")(operation, name,
                                                                                  value, bytes);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t pitch) {
  return found<&cublasLtMatrixLayoutCreate>("cublasLtMatrixLayoutCreate")(layout, type, rows,
                                                                          columns, pitch);
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return found<&cublasLtMatrixLayoutDestroy>("cublasLtMatrixLayoutDestroy")(layout);
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t name,
                                                const void* value, size_t bytes) {
  return found<&cublasLtMatrixLayoutSetAttribute>("cublasLtMatrixLayoutSetAttribute")(layout, name,
                                                                                      value, bytes);
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return found<&cublasLtMatmulPreferenceCreate>("cublasLtMatmulPreferenceCreate")(preference);
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return found<&cublasLtMatmulPreferenceDestroy>("cublasLtMatmulPreferenceDestroy")(preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t name,
                                                    const void* value, size_t bytes) {
  return found<&cublasLtMatmulPreferenceSetAttribute>("cublasLtMatmulPreferenceSetAttribute")(
      preference, name, value, bytes);
}

// NOLINTBEGIN(readability-function-size): cuBLASLt's parameters

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle,
                                              cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* count) {
  return found<&cublasLtMatmulAlgoGetHeuristic>("cublasLtMatmulAlgoGetHeuristic")(
      handle, operation, a, b, c, d, preference, wanted, results, count);
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t name,
                                                    void* value, size_t bytes, size_t* written) {
  return found<&cublasLtMatmulAlgoConfigGetAttribute>("cublasLtMatmulAlgoConfigGetAttribute")(
      algorithm, name, value, bytes, written);
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                              const void* alpha, const void* a, cublasLtMatrixLayout_t a_layout,
                              const void* b, cublasLtMatrixLayout_t b_layout, const void* beta,
                              const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              size_t workspace_bytes, cudaStream_t stream) {
  return found<&cublasLtMatmul>("cublasLtMatmul")(handle, operation, alpha, a, a_layout, b,
                                                  b_layout, beta, c, c_layout, d, d_layout,
                                                  algorithm, workspace, workspace_bytes, stream);
}

// NOLINTEND(readability-function-size)

}  // extern "C"
