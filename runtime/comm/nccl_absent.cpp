// The communicator for cuda in a build without it.

#include "runtime/comm/communicator.h"
#include "runtime/cuda.h"
#include "runtime/error.h"

namespace rela {

std::unique_ptr<Communicator> make_nccl_communicator(double /*timeout_s*/) {
  open_cuda();  // says why not
  throw InternalError("communicator: cuda could be opened in a build without it");
}

}  // namespace rela
