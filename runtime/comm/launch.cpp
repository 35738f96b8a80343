#include "runtime/comm/launch.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"

namespace rela {
namespace {

struct Variables {
  const char* launcher;
  const char* rank;
  const char* size;
};

// SLURM_NTASKS is there in batch scripts too, whose processes are not tasks of a step.
constexpr std::array<Variables, 5> kLaunchers{{
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
    {"MPICH", "PMI_RANK", "PMI_SIZE"},
    {"PMIx", "PMIX_RANK", "PMIX_SIZE"},
    {"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"},
    {"torchrun", "RANK", "WORLD_SIZE"},
}};

int number_of(const Variables& v, const char* name, const std::string& text) {
  int value = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  RELA_CHECK(error == std::errc() && stop == end && value >= 0, DistributedError,
             "launch: ", v.launcher, " set ", name, "=", text,
             "; it must be a whole number of at least 0");
  return value;
}

}  // namespace

Launch detect_launch(const Environment& environment) {
  for (const Variables& v : kLaunchers) {
    const std::optional<std::string> rank = environment(v.rank);
    const std::optional<std::string> size = environment(v.size);
    if (!rank || !size) continue;
    Launch launch{number_of(v, v.rank, *rank), number_of(v, v.size, *size), v.launcher};
    RELA_CHECK(launch.rank < launch.size, DistributedError, "launch: ", v.launcher, " set ", v.rank,
               "=", launch.rank, " and ", v.size, "=", launch.size,
               "; the rank must be below the number of processes");
    return launch;
  }
  return {};
}

Launch detect_launch() {
  return detect_launch([](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  });
}

std::string binding_hint(const Launch& launch, int usable_cores, int all_cores) {
  if (launch.launcher.empty() || usable_cores > 1 || all_cores < 4) return "";
  return cat("launch: ", launch.launcher, " left this process one core of ", all_cores,
             ", so it computes with one thread; mpirun --bind-to none, or srun --cpu-bind=none "
             "with --cpus-per-task, gives it more");
}

std::string binding_hint() {
  return binding_hint(detect_launch(), usable_cores(),
                      static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

}  // namespace rela
