// main() of test binaries that mpirun starts several times: every process runs the same tests.

#include <gtest/gtest.h>

#include <cstdio>

#include "kernels/libraries/mpi/group.h"
#include "kernels/simt/error.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  try {
    rela::start_mpi();
  } catch (const rela::simt::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  const int status = RUN_ALL_TESTS();
  if (status != 0) rela::abort_mpi(status);  // the others may wait for this one
  rela::finish_mpi();
  return status;
}
