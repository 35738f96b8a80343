#include "runtime/comm/world.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <set>

#include "kernels/libraries/mpi/group.h"
#include "kernels/simt/error.h"
#include "runtime/error.h"

namespace rela {
namespace {

World& this_world() {
  static World world;
  return world;
}

constexpr double kJoinTimeoutS = 600;

/// What the processes tell each other about where they run.
struct Place {
  std::array<char, 256> host{};
  std::array<unsigned char, 1024> cores{};  // a bit each: the affinity mask
  std::array<char, 256> gpus{};             // CUDA_VISIBLE_DEVICES
};

Place this_place() {
  Place place;
  gethostname(place.host.data(), place.host.size() - 1);
  // The kernel's call, because glibc's wants to know the number of cores beforehand.
  (void)syscall(SYS_sched_getaffinity, 0, place.cores.size(), place.cores.data());
  if (const char* gpus = std::getenv("CUDA_VISIBLE_DEVICES"))
    std::strncpy(place.gpus.data(), gpus, place.gpus.size() - 1);
  return place;
}

bool share_cores(const Place& a, const Place& b) {
  for (size_t i = 0; i < a.cores.size(); ++i) {
    if ((a.cores[i] & b.cores[i]) != 0) return true;
  }
  return false;
}

World find_world(const Launch& launch) {
  MpiGroup group(kJoinTimeoutS);
  RELA_CHECK(group.rank() == launch.rank && group.size() == launch.size, DistributedError,
             "launch: ", launch.launcher, " started process ", launch.rank, " of ", launch.size,
             ", and MPI sees ", group.rank(), " of ", group.size(),
             "; launch with the mpirun of the MPI library that rela was built with, ",
             "or srun --mpi=pmix");
  const Place mine = this_place();
  std::vector<Place> places(static_cast<size_t>(group.size()));
  group.all_gather(&mine, places.data(), sizeof(Place));
  World found{.rank = launch.rank,
              .size = launch.size,
              .local_size = 0,
              .core_sharers = 0,
              .gpu_sharers = 0,
              .host = mine.host.data(),
              .launcher = launch.launcher};
  std::set<std::string> hosts;
  for (int i = 0; i < launch.size; ++i) {
    const Place& place = places[static_cast<size_t>(i)];
    hosts.insert(place.host.data());
    if (place.host != mine.host) continue;
    ++found.local_size;
    if (i < launch.rank) ++found.local_rank;
    if (share_cores(place, mine)) ++found.core_sharers;
    if (place.gpus != mine.gpus) continue;
    ++found.gpu_sharers;
    if (i < launch.rank) ++found.gpu_rank;
  }
  found.hosts = static_cast<int>(hosts.size());
  return found;
}

}  // namespace

const World& world() { return this_world(); }

void join_world() {
  const Launch launch = detect_launch();
  if (launch.is_alone()) return;
  const std::string problem = mpi_problem();
  RELA_CHECK(problem.empty(), DistributedError, "launch: ", launch.launcher, " started ",
             launch.size, " processes, and MPI cannot be used: ", problem);
  try {
    start_mpi();
    this_world() = find_world(launch);
  } catch (const simt::Error& e) {
    throw DistributedError(
        cat("launch: process ", launch.rank, " of ", launch.size, ": ", e.what()));
  }
}

void leave_world() noexcept { finish_mpi(); }

void end_world(int exit_code) noexcept {
  if (mpi_is_started()) abort_mpi(exit_code);
}

}  // namespace rela
