// Tensors of cuda: sums run in a stream of their own, over NCCL. Hosts talk over MPI.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "kernels/libraries/nccl/group.h"
#include "kernels/simt/error.h"
#include "runtime/comm/mpi_communicator.h"
#include "runtime/comm/world.h"
#include "runtime/cuda.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/recorded_work.h"
#include "runtime/thread.h"

namespace rela {
namespace {

using Clock = std::chrono::steady_clock;

/// Ends the process when sums on the GPU do not come to an end: a rank that waits for its GPU
/// cannot do so itself. Armed from the first sum to the next message between hosts, which follows
/// the host's wait for the GPU.
class Watchdog {
 public:
  Watchdog(NcclGroup& group, double timeout_s)
      : group_(group), timeout_(timeout_s), thread_(start_thread([this] { watch(); })) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void arm() {
    const std::lock_guard lock(mutex_);
    if (armed_) return;
    armed_ = true;
    since_ = Clock::now();
  }
  void disarm() {
    const std::lock_guard lock(mutex_);
    armed_ = false;
  }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      wake_.wait_for(lock, std::chrono::milliseconds(500));
      if (!armed_ || stop_) continue;
      std::string trouble;
      try {
        trouble = group_.error();
      } catch (const simt::Error& e) {
        trouble = e.what();
      }
      if (trouble.empty() && Clock::now() - since_ > timeout_)
        trouble = cat("nccl: the GPUs' sums have not ended in ", timeout_.count(), " s");
      if (!trouble.empty()) give_up(trouble);
    }
  }

  [[noreturn]] void give_up(const std::string& trouble) {
    const World& me = world();
    log_error("rank ", me.rank, " of ", me.size, " on ", me.host, ": ", trouble,
              "; checkpoints written before are whole, --resume auto goes on with the newest");
    flush_log();
    group_.cancel();
    end_world(static_cast<int>(ExitCode::kDistributed));
    std::_Exit(static_cast<int>(ExitCode::kDistributed));
  }

  NcclGroup& group_;
  std::chrono::duration<double> timeout_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  bool armed_ = false;
  Clock::time_point since_;
  std::thread thread_;
};

class NcclCommunicator : public MpiMessages {
 public:
  explicit NcclCommunicator(double timeout_s)
      : MpiMessages(timeout_s),
        stream_(cuda_sum_stream()),
        group_(shared_id(), rank(), size(), timeout_s),
        watchdog_(group_, timeout_s) {}

  void sum(const WireBuffer& buffer) override {
    begin_sum(buffer);
    finish_sums();
  }
  void begin_sum(const WireBuffer& b) override {
    on_each_run([this] { watchdog_.arm(); });
    launched_.record(cuda_compute_stream());
    launched_.stream_wait(stream_);
    with_other_ranks([&] { group_.sum(b.data, b.count, b.type, stream_); });
    is_behind_ = true;
  }
  void finish_sums() override {
    if (!is_behind_) return;
    summed_.record(stream_);
    summed_.stream_wait(cuda_compute_stream());
    is_behind_ = false;
  }

  std::vector<std::string> gather(std::string_view message) override {
    settle();
    return MpiMessages::gather(message);
  }
  void sum_on_host(std::span<double> numbers) override {
    settle();
    MpiMessages::sum_on_host(numbers);
  }
  void barrier() override {
    settle();
    MpiMessages::barrier();
  }

 private:
  /// The first rank's.
  NcclId shared_id() {
    NcclId id = is_first() ? make_nccl_id() : NcclId{};
    group().broadcast(id.bytes.data(), static_cast<int64_t>(id.bytes.size()), 0);
    return id;
  }
  /// Messages between hosts come after the host has waited for the GPU.
  void settle() {
    watchdog_.disarm();
    with_other_ranks([&] {
      if (const std::string trouble = group_.error(); !trouble.empty()) throw simt::Error(trouble);
    });
  }

  Stream stream_;
  NcclGroup group_;
  Watchdog watchdog_;
  CudaEvent launched_;
  CudaEvent summed_;
  bool is_behind_ = false;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(double timeout_s) {
  std::unique_ptr<Communicator> made;
  with_other_ranks([&] { made = std::make_unique<NcclCommunicator>(timeout_s); });
  return made;
}

}  // namespace rela
