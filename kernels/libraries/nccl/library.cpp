// NCCL's functions as its header declares them, each looked up in the library on its first call.

#include "kernels/libraries/nccl/library.h"

#include <nccl.h>

namespace rela {

const SharedLibrary& nccl_library() {
  static const SharedLibrary library(
      {.name = "NCCL",
       .file = "libnccl.so.2",
       .variable = "NCCL_ROOT",
       .folder = RELA_NCCL_FOLDER,
       .python = "nvidia/nccl/lib",
       .package = "NVIDIA's package libnccl2, or pip's nvidia-nccl-cu13"});
  return library;
}

namespace {

template <auto* kDeclared>
auto* found(const char* name) {
  return function_of<nccl_library, kDeclared>(name);
}

}  // namespace
}  // namespace rela

using rela::found;

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  return found<&ncclGetVersion>("ncclGetVersion")(version);
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  return found<&ncclGetUniqueId>("ncclGetUniqueId")(id);
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  return found<&ncclCommInitRankConfig>("ncclCommInitRankConfig")(comm, size, id, rank, config);
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  return found<&ncclCommDestroy>("ncclCommDestroy")(comm);
}

ncclResult_t ncclCommAbort(ncclComm_t comm) { return found<&ncclCommAbort>("ncclCommAbort")(comm); }

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* status) {
  return found<&ncclCommGetAsyncError>("ncclCommGetAsyncError")(comm, status);
}

const char* ncclGetErrorString(ncclResult_t status) {
  return found<&ncclGetErrorString>("ncclGetErrorString")(status);
}

const char* ncclGetLastError(ncclComm_t comm) {
  return found<&ncclGetLastError>("ncclGetLastError")(comm);
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  return found<&ncclAllReduce>("ncclAllReduce")(from, to, count, type, op, comm, stream);
}

}  // extern "C"
