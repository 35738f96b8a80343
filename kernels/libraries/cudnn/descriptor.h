#pragma once
// cuDNN's backend API: everything is a descriptor with typed attributes, finalised before use.

#include <cudnn.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/simt/error.h"

namespace rela {

/// A call that cuDNN refused, with cuDNN's reason.
class CudnnError : public simt::Error {
 public:
  CudnnError(const std::string& call, cudnnStatus_t status);
  cudnnStatus_t status() const { return status_; }

 private:
  cudnnStatus_t status_;
};

/// Throws CudnnError unless the call succeeded.
void check_cudnn(cudnnStatus_t status, const char* call);

/// One backend descriptor, owned.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type);
  CudnnDescriptor(CudnnDescriptor&& other) noexcept : raw_(other.raw_) { other.raw_ = nullptr; }
  CudnnDescriptor& operator=(CudnnDescriptor&& other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  CudnnDescriptor(const CudnnDescriptor&) = delete;
  CudnnDescriptor& operator=(const CudnnDescriptor&) = delete;
  ~CudnnDescriptor();

  cudnnBackendDescriptor_t raw() const { return raw_; }

  CudnnDescriptor& set(cudnnBackendAttributeName_t name, std::span<const int64_t> values) {
    return set_raw(name, CUDNN_TYPE_INT64, values.size(), values.data());
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, int64_t value) {
    return set_raw(name, CUDNN_TYPE_INT64, 1, &value);
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, int32_t value) {
    return set_raw(name, CUDNN_TYPE_INT32, 1, &value);
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, float value) {
    return set_raw(name, CUDNN_TYPE_FLOAT, 1, &value);
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, cudnnDataType_t value) {
    return set_raw(name, CUDNN_TYPE_DATA_TYPE, 1, &value);
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, cudnnConvolutionMode_t value) {
    return set_raw(name, CUDNN_TYPE_CONVOLUTION_MODE, 1, &value);
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, cudnnBackendHeurMode_t value) {
    return set_raw(name, CUDNN_TYPE_HEUR_MODE, 1, &value);
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value) {
    return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.raw_);
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, std::span<const void* const> pointers) {
    return set_raw(name, CUDNN_TYPE_VOID_PTR, pointers.size(), pointers.data());
  }
  /// A string, with the terminating zero that cuDNN expects.
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, const std::string& text) {
    return set_raw(name, CUDNN_TYPE_CHAR, text.size() + 1, text.c_str());
  }
  /// Sets a boolean attribute.
  CudnnDescriptor& set_flag(cudnnBackendAttributeName_t name) {
    const bool on = true;
    return set_raw(name, CUDNN_TYPE_BOOLEAN, 1, &on);
  }
  CudnnDescriptor& finalize();

  int64_t get_int64(cudnnBackendAttributeName_t name) const;
  /// The engine knob that a choice sets.
  cudnnBackendKnobType_t knob_type() const;
  /// An engine's numerical notes; may be empty.
  std::vector<cudnnBackendNumericalNote_t> numerical_notes() const;
  /// The descriptors that an attribute holds, each of `type`.
  std::vector<CudnnDescriptor> get_descriptors(cudnnBackendAttributeName_t name,
                                               cudnnBackendDescriptorType_t type) const;
  /// The same where cuDNN does not report their number in advance.
  std::vector<CudnnDescriptor> get_descriptors(cudnnBackendAttributeName_t name,
                                               cudnnBackendDescriptorType_t type,
                                               int64_t at_most) const;

 private:
  CudnnDescriptor& set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                           size_t count, const void* values);

  cudnnBackendDescriptor_t raw_ = nullptr;
};

}  // namespace rela
