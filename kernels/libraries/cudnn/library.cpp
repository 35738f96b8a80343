// cuDNN's functions as its header declares them, each looked up in the library on its first call.

#include "kernels/libraries/cudnn/library.h"

#include <cudnn.h>

namespace rela {
namespace {

/// The first release with the attributes that this code sets; RelaCudnn.cmake asks the same of the
/// headers.
constexpr size_t kOldest = 91300;

std::string complaint(const SharedLibrarySource::Lookup& function) {
  const auto version = reinterpret_cast<size_t (*)()>(function("cudnnGetVersion"));
  return version == nullptr ? "is not cuDNN" : too_old(version(), kOldest);
}

}  // namespace

const SharedLibrary& cudnn_library() {
  static const SharedLibrary library(
      {.name = "cuDNN",
       .file = "libcudnn.so.9",
       .variable = "CUDNN_ROOT",
       .folder = RELA_CUDNN_FOLDER,
       .python = "nvidia/cudnn/lib",
       .package = "NVIDIA's package cudnn9-cuda-13, or pip's nvidia-cudnn-cu13",
       .family = "libcudnn",
       .complaint = complaint});
  return library;
}

namespace {

template <auto* kDeclared>
auto* found(const char* name) {
  return function_of<cudnn_library, kDeclared>(name);
}

}  // namespace
}  // namespace rela

using rela::found;

extern "C" {

size_t cudnnGetVersion() { return found<&cudnnGetVersion>("cudnnGetVersion")(); }

const char* cudnnGetErrorString(cudnnStatus_t status) {
  return found<&cudnnGetErrorString>("cudnnGetErrorString")(status);
}

void cudnnGetLastErrorString(char* message, size_t size) {
  found<&cudnnGetLastErrorString>("cudnnGetLastErrorString")(message, size);
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  return found<&cudnnCreate>("cudnnCreate")(handle);
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  return found<&cudnnDestroy>("cudnnDestroy")(handle);
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  return found<&cudnnSetStream>("cudnnSetStream")(handle, stream);
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  return found<&cudnnBackendCreateDescriptor>("cudnnBackendCreateDescriptor")(type, descriptor);
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  return found<&cudnnBackendDestroyDescriptor>("cudnnBackendDestroyDescriptor")(descriptor);
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  return found<&cudnnBackendFinalize>("cudnnBackendFinalize")(descriptor);
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* values) {
  return found<&cudnnBackendSetAttribute>("cudnnBackendSetAttribute")(descriptor, name, type, count,
                                                                      values);
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t wanted,
                                       int64_t* count, void* values) {
  return found<&cudnnBackendGetAttribute>("cudnnBackendGetAttribute")(descriptor, name, type,
                                                                      wanted, count, values);
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  return found<&cudnnBackendExecute>("cudnnBackendExecute")(handle, plan, pack);
}

}  // extern "C"
