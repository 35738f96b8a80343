#pragma once

#include <pthread.h>

#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "runtime/error.h"

namespace rela {

/// Signals that end or steer a run: rela/run/signals.h.
inline constexpr int kRunSignals[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP};

/// Blocks them in this thread. Threads started meanwhile inherit that for good: not one instant in
/// which a worker could take a signal.
class StopSignalsBlocked {
 public:
  StopSignalsBlocked() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : kRunSignals) sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~StopSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  StopSignalsBlocked(const StopSignalsBlocked&) = delete;
  StopSignalsBlocked& operator=(const StopSignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

/// A thread; one that the system does not start is a DeviceError that says what to do.
template <class Body>
std::thread start_thread(Body&& body) {
  try {
    return std::thread(std::forward<Body>(body));
  } catch (const std::system_error& e) {
    throw DeviceError(
        cat("threads: the system starts no more (", e.code().message(),
            "); lower threads, data.workers and distributed.shards, or raise the limits (ulimit "
            "-u, ulimit -v)"));
  }
}

}  // namespace rela
