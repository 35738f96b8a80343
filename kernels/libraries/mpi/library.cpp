#include "kernels/libraries/mpi/library.h"

namespace rela {

const SharedLibrary& mpi_library() {
  // Global: Open MPI loads plug-ins, and they look for its symbols among those of the program.
  static const SharedLibrary library({.name = "Open MPI",
                                      .file = "libmpi.so.40",
                                      .variable = "MPI_HOME",
                                      .folder = RELA_MPI_FOLDER,
                                      .package = "Debian's package openmpi-bin",
                                      .is_global = true});
  return library;
}

}  // namespace rela
