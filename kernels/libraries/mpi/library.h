#pragma once

#include "kernels/libraries/loading/shared_library.h"

namespace rela {

/// Open MPI, loaded on first use. Its functions are called as its header declares them.
const SharedLibrary& mpi_library();

/// A function of MPI, typed by its declaration; `name` is its name.
template <auto* kDeclared>
auto* mpi_function(const char* name) {
  return function_of<mpi_library, kDeclared>(name);
}

/// A predefined handle such as MPI_FLOAT, which mpi.h defines as the address of a symbol.
template <class Handle>
Handle mpi_constant(const char* symbol) {
  return static_cast<Handle>(mpi_library().symbol(symbol));
}

}  // namespace rela
