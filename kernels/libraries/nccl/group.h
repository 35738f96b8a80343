#pragma once
// Sums over the GPUs of several processes, in stream order: NCCL on GPUs; emulated, a twin over MPI
// that refuses what would hang NCCL.
//
// Every process makes the same calls on a group, in the same order.

#include <array>
#include <memory>
#include <string>

#include "kernels/libraries/collective.h"
#include "kernels/types.h"

namespace rela {

/// Made by one process, given to all: what they find each other by.
struct NcclId {
  std::array<char, 128> bytes{};
};
/// Throws simt::Error if NCCL cannot be used.
NcclId make_nccl_id();

class NcclGroup {
 public:
  /// Collective, for the current device. Throws simt::Error.
  NcclGroup(const NcclId& id, int rank, int size, double timeout_s);
  ~NcclGroup();
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;

  /// Adds `count` elements of device memory over all processes, in place. bf16 and f16 are rounded
  /// after each addition, or fewer times: as NCCL pleases. Can be captured in a
  /// graph. Throws simt::Error if it cannot be queued; what goes wrong later is in error().
  void sum(void* data, int64_t count, WireType type, Stream stream);

  /// What has gone wrong since, such as a process that is gone; empty: nothing.
  std::string error() const;
  /// Ends what is under way, with an error in its stream. From any thread.
  void cancel() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rela
