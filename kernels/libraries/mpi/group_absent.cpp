// MPI in a build without it.

#include "kernels/libraries/mpi/group.h"

#include <cstdlib>

#include "kernels/simt/error.h"

namespace rela {

struct MpiGroup::Impl {};

std::string mpi_problem() {
  return "this build has no MPI: install libopenmpi-dev and openmpi-bin, and build again with "
         "-DRELA_MPI=ON";
}
void start_mpi() { throw simt::Error("mpi: " + mpi_problem()); }
bool mpi_is_started() noexcept { return false; }
void finish_mpi() noexcept {}
void abort_mpi(int exit_code) noexcept { std::_Exit(exit_code); }

MpiGroup::MpiGroup(double /*timeout_s*/) { start_mpi(); }
MpiGroup::~MpiGroup() = default;
void MpiGroup::sum(void* /*data*/, int64_t /*count*/, WireType /*type*/) { start_mpi(); }
void MpiGroup::broadcast(void* /*data*/, int64_t /*bytes*/, int /*root*/) { start_mpi(); }
void MpiGroup::all_gather(const void* /*mine*/, void* /*all*/, int64_t /*bytes*/) { start_mpi(); }
void MpiGroup::barrier() { start_mpi(); }

}  // namespace rela
