#include "runtime/error.h"

#include <filesystem>
#include <new>

namespace rela {

using std::filesystem::filesystem_error;

ExitCode exit_code_of(const std::exception& failure) {
  if (const auto* error = dynamic_cast<const Error*>(&failure)) return error->exit_code();
  if (dynamic_cast<const filesystem_error*>(&failure) != nullptr) return ExitCode::kIo;
  const bool is_memory = dynamic_cast<const std::bad_alloc*>(&failure) != nullptr;
  return is_memory ? ExitCode::kDevice : ExitCode::kInternal;
}

std::string message_of(const std::exception& failure) {
  if (dynamic_cast<const std::bad_alloc*>(&failure) != nullptr) {
    return "memory: the system has no more; close other programs, or ask for less: a smaller "
           "batch, "
           "model or data set, fewer workers";
  }
  if (const auto* error = dynamic_cast<const filesystem_error*>(&failure)) {
    return cat(error->path1().string(), ": cannot be examined: ", error->code().message(),
               "; check the path and its permissions");
  }
  return failure.what();
}

}  // namespace rela
