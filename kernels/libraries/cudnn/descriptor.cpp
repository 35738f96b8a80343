#include "kernels/libraries/cudnn/descriptor.h"

namespace rela {
namespace {

std::string describe(const std::string& call, cudnnStatus_t status) {
  std::array<char, 512> detail{};
  cudnnGetLastErrorString(detail.data(), detail.size());
  std::string text = call + ": " + cudnnGetErrorString(status);
  if (detail[0] != '\0') text += std::string(": ") + detail.data();
  return text;
}

}  // namespace

CudnnError::CudnnError(const std::string& call, cudnnStatus_t status)
    : simt::Error(describe(call, status)), status_(status) {}

void check_cudnn(cudnnStatus_t status, const char* call) {
  if (status != CUDNN_STATUS_SUCCESS) throw CudnnError(call, status);
}

CudnnDescriptor::CudnnDescriptor(cudnnBackendDescriptorType_t type) {
  check_cudnn(cudnnBackendCreateDescriptor(type, &raw_), "cudnnBackendCreateDescriptor");
}

CudnnDescriptor::~CudnnDescriptor() {
  if (raw_ != nullptr) cudnnBackendDestroyDescriptor(raw_);
}

CudnnDescriptor& CudnnDescriptor::set_raw(cudnnBackendAttributeName_t name,
                                          cudnnBackendAttributeType_t type, size_t count,
                                          const void* values) {
  check_cudnn(cudnnBackendSetAttribute(raw_, name, type, static_cast<int64_t>(count), values),
              "cudnnBackendSetAttribute");
  return *this;
}

CudnnDescriptor& CudnnDescriptor::finalize() {
  check_cudnn(cudnnBackendFinalize(raw_), "cudnnBackendFinalize");
  return *this;
}

int64_t CudnnDescriptor::get_int64(cudnnBackendAttributeName_t name) const {
  int64_t value = 0;
  int64_t count = 0;
  check_cudnn(cudnnBackendGetAttribute(raw_, name, CUDNN_TYPE_INT64, 1, &count, &value),
              "cudnnBackendGetAttribute");
  return value;
}

cudnnBackendKnobType_t CudnnDescriptor::knob_type() const {
  cudnnBackendKnobType_t type{};
  int64_t count = 0;
  check_cudnn(cudnnBackendGetAttribute(raw_, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE,
                                       1, &count, &type),
              "cudnnBackendGetAttribute");
  return type;
}

std::vector<cudnnBackendNumericalNote_t> CudnnDescriptor::numerical_notes() const {
  std::vector<cudnnBackendNumericalNote_t> notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  int64_t count = 0;
  check_cudnn(
      cudnnBackendGetAttribute(raw_, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                               CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes.data()),
      "cudnnBackendGetAttribute");
  notes.resize(static_cast<size_t>(count));
  return notes;
}

std::vector<CudnnDescriptor> CudnnDescriptor::get_descriptors(
    cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type) const {
  int64_t count = 0;
  check_cudnn(
      cudnnBackendGetAttribute(raw_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
      "cudnnBackendGetAttribute");
  return get_descriptors(name, type, count);
}

std::vector<CudnnDescriptor> CudnnDescriptor::get_descriptors(cudnnBackendAttributeName_t name,
                                                              cudnnBackendDescriptorType_t type,
                                                              int64_t at_most) const {
  int64_t count = 0;
  std::vector<CudnnDescriptor> found;
  std::vector<cudnnBackendDescriptor_t> handles;
  for (int64_t i = 0; i < at_most; ++i) handles.push_back(found.emplace_back(type).raw());
  check_cudnn(cudnnBackendGetAttribute(raw_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, at_most, &count,
                                       handles.data()),
              "cudnnBackendGetAttribute");
  found.erase(found.begin() + static_cast<ptrdiff_t>(count), found.end());
  return found;
}

}  // namespace rela
