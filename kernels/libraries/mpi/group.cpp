#include "kernels/libraries/mpi/group.h"

#include <mpi.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <thread>
#include <vector>

#include "kernels/libraries/mpi/library.h"
#include "kernels/simt/error.h"
#include "kernels/types.h"

#define RELA_MPI(function) (mpi_function<&function>(#function))

namespace rela {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> started = false;

void check(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  RELA_MPI(MPI_Error_string)(status, text, &length);
  throw simt::Error(std::string("mpi: ") + call + ": " + std::string(text, length));
}

MPI_Datatype type_of(WireType type) {
  switch (type) {
    case WireType::kF32:
      return mpi_constant<MPI_Datatype>("ompi_mpi_float");
    case WireType::kF64:
      return mpi_constant<MPI_Datatype>("ompi_mpi_double");
    case WireType::kI64:
      return mpi_constant<MPI_Datatype>("ompi_mpi_int64_t");
    case WireType::kBf16:
    case WireType::kF16:
      return mpi_constant<MPI_Datatype>("ompi_mpi_uint16_t");
    case WireType::kBytes:
      break;
  }
  throw simt::Error("mpi: bytes cannot be summed");
}

/// all: [processes, part], added in the order of the processes, in f32.
template <class T>
void add_rows(const std::vector<T>& all, std::span<T> sums) {
  for (size_t i = 0; i < sums.size(); ++i) {
    float sum = 0;
    for (size_t at = i; at < all.size(); at += sums.size()) sum += to_float(all[at]);
    sums[i] = store_as<T>(sum);
  }
}

/// MPI counts in int.
constexpr int64_t kMostAtOnce = int64_t{1} << 30;

}  // namespace

std::string mpi_problem() { return mpi_library().problem(); }

bool mpi_is_started() noexcept { return started; }

void start_mpi() {
  if (started) return;
  int provided = 0;
  check(RELA_MPI(MPI_Init_thread)(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init");
  if (provided < MPI_THREAD_MULTIPLE) {
    throw simt::Error(
        "mpi: this MPI library was built without MPI_THREAD_MULTIPLE, which rela needs");
  }
  const auto world = mpi_constant<MPI_Comm>("ompi_mpi_comm_world");
  const auto returns = mpi_constant<MPI_Errhandler>("ompi_mpi_errors_return");
  check(RELA_MPI(MPI_Comm_set_errhandler)(world, returns), "MPI_Comm_set_errhandler");
  started = true;
}

void finish_mpi() noexcept {
  if (started.exchange(false)) (void)RELA_MPI(MPI_Finalize)();
}

void abort_mpi(int exit_code) noexcept {
  std::fflush(nullptr);
  (void)RELA_MPI(MPI_Abort)(mpi_constant<MPI_Comm>("ompi_mpi_comm_world"), exit_code);
  std::_Exit(exit_code);
}

struct MpiGroup::Impl {
  MPI_Comm comm = nullptr;
  std::chrono::duration<double> timeout{};

  void sum(std::byte* data, int count, WireType type) const {
    MPI_Request request = nullptr;
    check(RELA_MPI(MPI_Iallreduce)(MPI_IN_PLACE, data, count, type_of(type),
                                   mpi_constant<MPI_Op>("ompi_mpi_op_sum"), comm, &request),
          "MPI_Iallreduce");
    wait(request, "MPI_Iallreduce");
  }

  /// As many bytes as a ring would send; but each process adds a part of the elements of all, and
  /// rounds once, where MPI's own sum rounds at every addition.
  template <class T>
  void sum_16_bit(T* data, int count, WireType type, int processes) const {
    const int part = (count + processes - 1) / processes;
    const MPI_Datatype wire = type_of(type);
    std::vector<T> mine(static_cast<size_t>(part) * static_cast<size_t>(processes));
    std::copy(data, data + count, mine.begin());
    std::vector<T> theirs(mine.size());
    MPI_Request request = nullptr;
    check(
        RELA_MPI(MPI_Ialltoall)(mine.data(), part, wire, theirs.data(), part, wire, comm, &request),
        "MPI_Ialltoall");
    wait(request, "MPI_Ialltoall");
    std::vector<T> sums(static_cast<size_t>(part));
    add_rows<T>(theirs, sums);
    check(
        RELA_MPI(MPI_Iallgather)(sums.data(), part, wire, mine.data(), part, wire, comm, &request),
        "MPI_Iallgather");
    wait(request, "MPI_Iallgather");
    std::copy_n(mine.begin(), count, data);
  }

  /// Waits for a request: first awake, because most are done at once; then asleep in between, to
  /// leave the core to whoever computes.
  void wait(MPI_Request request, const char* call) const {
    constexpr auto kAwake = std::chrono::microseconds(50);
    const Clock::time_point start = Clock::now();
    for (int done = 0;;) {
      check(RELA_MPI(MPI_Test)(&request, &done, MPI_STATUS_IGNORE), call);
      if (done != 0) return;
      const auto waited = Clock::now() - start;
      if (waited > timeout) {
        throw simt::Error(std::string("mpi: ") + call + ": no answer from the other processes in " +
                          std::to_string(static_cast<int64_t>(timeout.count())) + " s");
      }
      if (waited > kAwake) std::this_thread::sleep_for(kAwake);
    }
  }
};

MpiGroup::MpiGroup(double timeout_s) : impl_(std::make_unique<Impl>()) {
  impl_->timeout = std::chrono::duration<double>(timeout_s);
  const auto world = mpi_constant<MPI_Comm>("ompi_mpi_comm_world");
  MPI_Request request = nullptr;
  check(RELA_MPI(MPI_Comm_idup)(world, &impl_->comm, &request), "MPI_Comm_idup");
  impl_->wait(request, "MPI_Comm_idup");
  check(RELA_MPI(MPI_Comm_rank)(impl_->comm, &rank_), "MPI_Comm_rank");
  check(RELA_MPI(MPI_Comm_size)(impl_->comm, &size_), "MPI_Comm_size");
}

// MPI_Comm_free is collective, and a process that failed must not wait here: MPI_Finalize frees
// all.
MpiGroup::~MpiGroup() = default;

void MpiGroup::sum(void* data, int64_t count, WireType type) {
  auto* at = static_cast<std::byte*>(data);
  for (int64_t left = count; left > 0;) {
    const int64_t now = std::min(left, kMostAtOnce);
    const int elements = static_cast<int>(now);
    if (type == WireType::kBf16) {
      impl_->sum_16_bit(reinterpret_cast<Bf16*>(at), elements, type, size_);
    } else if (type == WireType::kF16) {
      impl_->sum_16_bit(reinterpret_cast<F16*>(at), elements, type, size_);
    } else {
      impl_->sum(at, elements, type);
    }
    at += static_cast<size_t>(now) * wire_bytes(type);
    left -= now;
  }
}

void MpiGroup::broadcast(void* data, int64_t bytes, int root) {
  auto* at = static_cast<std::byte*>(data);
  for (int64_t left = bytes; left > 0;) {
    const int64_t now = std::min(left, kMostAtOnce);
    MPI_Request request = nullptr;
    check(
        RELA_MPI(MPI_Ibcast)(at, static_cast<int>(now), mpi_constant<MPI_Datatype>("ompi_mpi_byte"),
                             root, impl_->comm, &request),
        "MPI_Ibcast");
    impl_->wait(request, "MPI_Ibcast");
    at += now;
    left -= now;
  }
}

void MpiGroup::all_gather(const void* mine, void* all, int64_t bytes) {
  if (bytes > kMostAtOnce) throw simt::Error("mpi: all_gather of more than 1 GiB per process");
  const auto byte = mpi_constant<MPI_Datatype>("ompi_mpi_byte");
  const int count = static_cast<int>(bytes);
  MPI_Request request = nullptr;
  check(RELA_MPI(MPI_Iallgather)(mine, count, byte, all, count, byte, impl_->comm, &request),
        "MPI_Iallgather");
  impl_->wait(request, "MPI_Iallgather");
}

void MpiGroup::barrier() {
  MPI_Request request = nullptr;
  check(RELA_MPI(MPI_Ibarrier)(impl_->comm, &request), "MPI_Ibarrier");
  impl_->wait(request, "MPI_Ibarrier");
}

}  // namespace rela
