#include <nccl.h>

#include <atomic>
#include <cstring>

#include "kernels/libraries/nccl/group.h"
#include "kernels/libraries/nccl/library.h"
#include "kernels/simt/error.h"

namespace rela {
namespace {

void check(ncclResult_t status, const char* call, ncclComm_t comm = nullptr) {
  if (status == ncclSuccess || status == ncclInProgress) return;
  throw simt::Error(std::string("nccl: ") + call + ": " + ncclGetErrorString(status) + " (" +
                    ncclGetLastError(comm) + ")");
}

ncclDataType_t type_of(WireType type) {
  switch (type) {
    case WireType::kF32:
      return ncclFloat32;
    case WireType::kF64:
      return ncclFloat64;
    case WireType::kBf16:
      return ncclBfloat16;
    case WireType::kF16:
      return ncclFloat16;
    case WireType::kI64:
      return ncclInt64;
    case WireType::kBytes:
      break;
  }
  throw simt::Error("nccl: bytes cannot be summed");
}

}  // namespace

NcclId make_nccl_id() {
  ncclUniqueId made;
  check(ncclGetUniqueId(&made), "ncclGetUniqueId");
  NcclId id;
  static_assert(sizeof(made.internal) == sizeof(id.bytes));
  std::memcpy(id.bytes.data(), made.internal, sizeof(made.internal));
  return id;
}

struct NcclGroup::Impl {
  ncclComm_t comm = nullptr;
  std::atomic<bool> cancelled = false;
};

NcclGroup::NcclGroup(const NcclId& id, int rank, int size, double /*timeout_s*/)
    : impl_(std::make_unique<Impl>()) {
  ncclUniqueId made;
  std::memcpy(made.internal, id.bytes.data(), sizeof(made.internal));
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  check(ncclCommInitRankConfig(&impl_->comm, size, made, rank, &config), "ncclCommInitRankConfig");
}

NcclGroup::~NcclGroup() {
  if (!impl_->cancelled) ncclCommDestroy(impl_->comm);
}

void NcclGroup::sum(void* data, int64_t count, WireType type, Stream stream) {
  check(ncclAllReduce(data, data, static_cast<size_t>(count), type_of(type), ncclSum, impl_->comm,
                      static_cast<cudaStream_t>(stream.handle)),
        "ncclAllReduce", impl_->comm);
}

std::string NcclGroup::error() const {
  if (impl_->cancelled) return "nccl: the communicator was cancelled";
  ncclResult_t status = ncclSuccess;
  check(ncclCommGetAsyncError(impl_->comm, &status), "ncclCommGetAsyncError");
  if (status == ncclSuccess || status == ncclInProgress) return "";
  return std::string("nccl: ") + ncclGetErrorString(status) + " (" + ncclGetLastError(impl_->comm) +
         ")";
}

void NcclGroup::cancel() noexcept {
  if (!impl_->cancelled.exchange(true)) ncclCommAbort(impl_->comm);
}

}  // namespace rela
