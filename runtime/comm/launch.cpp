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
  bool is_whole;  // one without the other is a mistake
};

// SLURM_NTASKS is there in batch scripts too, whose processes are not tasks of a step. Open MPI
// sets PMIx's rank, and not its size.
constexpr std::array<Variables, 5> kLaunchers{{
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", true},
    {"MPICH", "PMI_RANK", "PMI_SIZE", true},
    {"PMIx", "PMIX_RANK", "PMIX_SIZE", true},
    {"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", false},
    {"torchrun", "RANK", "WORLD_SIZE", true},
}};
constexpr size_t kSrun = 3;

int number_of(const Variables& v, const char* name, const std::string& text) {
  int value = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  RELA_CHECK(error == std::errc() && stop == end && value >= 0, DistributedError,
             "launch: ", v.launcher, " set ", name, "=", text,
             "; it must be a whole number of at least 0");
  return value;
}

/// What one launcher's variables say; none if they are not there.
std::optional<Launch> read_launch(const Variables& v, const Environment& environment) {
  const std::optional<std::string> rank = environment(v.rank);
  const std::optional<std::string> size = environment(v.size);
  if (!rank || !size) return std::nullopt;
  Launch launch{number_of(v, v.rank, *rank), number_of(v, v.size, *size), v.launcher};
  RELA_CHECK(launch.rank < launch.size, DistributedError, "launch: ", v.launcher, " set ", v.rank,
             "=", launch.rank, " and ", v.size, "=", launch.size,
             "; the rank must be below the number of processes");
  return launch;
}

std::string describe(const Variables& v, const Launch& launch) {
  return cat(v.launcher, " says process ", launch.rank, " of ", launch.size, " (", v.rank, ", ",
             v.size, ")");
}

/// A process with half of a launcher's variables is one of several, and does not know of how many.
void refuse_halves(const Environment& environment) {
  for (const Variables& v : kLaunchers) {
    const bool has_rank = environment(v.rank).has_value();
    const bool has_size = environment(v.size).has_value();
    RELA_CHECK(!v.is_whole || has_rank == has_size, DistributedError,
               "launch: ", has_rank ? v.rank : v.size, " is set and ", has_rank ? v.size : v.rank,
               " is not: half of what ", v.launcher,
               " says; start rela with mpirun or srun, or unset the variable");
  }
}

}  // namespace

Launch detect_launch(const Environment& environment) {
  std::array<std::optional<Launch>, kLaunchers.size()> said;
  std::optional<size_t> first;
  for (size_t i = 0; i < said.size(); ++i) {
    said[i] = read_launch(kLaunchers[i], environment);
    if (said[i] && !first) first = i;
  }
  if (!first) {
    refuse_halves(environment);
    return {};
  }
  const Launch& launch = *said[*first];
  for (size_t i = *first + 1; i < said.size(); ++i) {
    // mpirun starts its helpers on other hosts with srun, whose numbers are then the helpers'.
    if (!said[i] || i == kSrun) continue;
    const bool is_same = said[i]->rank == launch.rank && said[i]->size == launch.size;
    RELA_CHECK(is_same, DistributedError, "launch: ", describe(kLaunchers[*first], launch),
               ", and ", describe(kLaunchers[i], *said[i]),
               "; start rela with one launcher, and unset the variables of the other");
  }
  return launch;
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
