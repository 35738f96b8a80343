// NCCL in a GPU build without it.

#include "kernels/libraries/nccl/group.h"

#include "kernels/simt/error.h"

namespace rela {
namespace {

[[noreturn]] void refuse() {
  throw simt::Error(
      "nccl: this build has no NCCL: install NVIDIA's package libnccl-dev or pip's "
      "nvidia-nccl-cu13, set NCCL_ROOT to its folder, and build again");
}

}  // namespace

struct NcclGroup::Impl {};

NcclId make_nccl_id() { refuse(); }
NcclGroup::NcclGroup(const NcclId&, int, int, double) { refuse(); }
NcclGroup::~NcclGroup() = default;
void NcclGroup::sum(void*, int64_t, WireType, Stream) { refuse(); }
std::string NcclGroup::error() const { refuse(); }
void NcclGroup::cancel() noexcept {}

}  // namespace rela
