#pragma once

#include <system_error>
#include <thread>
#include <utility>

#include "runtime/error.h"

namespace rela {

/// A thread; one that the system does not start is a DeviceError that says what to do.
template <class Body>
std::thread start_thread(Body&& body) {
  try {
    return std::thread(std::forward<Body>(body));
  } catch (const std::system_error& e) {
    throw DeviceError(
        cat("threads: the system starts no more (", e.code().message(),
            "); lower threads and data.workers, or raise the limits (ulimit -u, ulimit -v)"));
  }
}

}  // namespace rela
