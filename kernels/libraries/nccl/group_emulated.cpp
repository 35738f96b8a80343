// NCCL's twin: sums in stream order over MPI. Before each, the processes compare what they are
// about to do: where they differ, NCCL would hang or mix up the sums.

#include <mutex>
#include <vector>

#include "kernels/libraries/mpi/group.h"
#include "kernels/libraries/nccl/group.h"
#include "kernels/simt/device.h"
#include "kernels/simt/error.h"

namespace rela {
namespace {

struct Call {
  int64_t number;
  int64_t count;
  int64_t type;
  bool operator==(const Call&) const = default;
};

std::string describe(const Call& call) {
  return "sum " + std::to_string(call.number) + " of " + std::to_string(call.count) + " " +
         wire_name(static_cast<WireType>(call.type));
}

/// Throws if another process makes another call.
void compare(MpiGroup& group, const Call& mine) {
  std::vector<Call> all(static_cast<size_t>(group.size()));
  group.all_gather(&mine, all.data(), sizeof(Call));
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i] == mine) continue;
    throw simt::Error("rank " + std::to_string(i) + " calls " + describe(all[i]) +
                      "; all ranks must make the same calls in the same order");
  }
}

}  // namespace

NcclId make_nccl_id() { return {}; }

struct NcclGroup::Impl {
  explicit Impl(double timeout_s) : group(timeout_s) {}

  /// In the stream: nobody there could catch what is thrown.
  void run(void* data, int64_t count, WireType type) {
    if (!error_text().empty()) return;
    const Call call{calls++, count, static_cast<int64_t>(type)};
    try {
      compare(group, call);
      group.sum(data, count, type);
    } catch (const simt::Error& e) {
      const std::lock_guard lock(mutex);
      text = "nccl: rank " + std::to_string(group.rank()) + " calls " + describe(call) + ": " +
             e.what();
    }
  }
  std::string error_text() const {
    const std::lock_guard lock(mutex);
    return text;
  }

  MpiGroup group;
  int64_t calls = 0;
  mutable std::mutex mutex;
  std::string text;
};

NcclGroup::NcclGroup(const NcclId& /*id*/, int /*rank*/, int /*size*/, double timeout_s)
    : impl_(std::make_unique<Impl>(timeout_s)) {}
NcclGroup::~NcclGroup() = default;

void NcclGroup::sum(void* data, int64_t count, WireType type, Stream stream) {
  simt::host_task_async(stream,
                        [impl = impl_.get(), data, count, type] { impl->run(data, count, type); });
}

std::string NcclGroup::error() const { return impl_->error_text(); }
void NcclGroup::cancel() noexcept {}

}  // namespace rela
