#include "rela/run/signals.h"

namespace rela {
namespace {

volatile std::sig_atomic_t stop_signal = 0;
volatile std::sig_atomic_t checkpoint_wanted = 0;

/// Only sets flags: everything else waits for the end of the step.
void on_signal(int number) {
  if (number == SIGUSR2) {
    checkpoint_wanted = 1;
    return;
  }
  const bool again = stop_signal != 0;
  stop_signal = number;
  if (again && number != SIGUSR1) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
}

}  // namespace

SignalWatch::SignalWatch() {
  stop_signal = 0;
  checkpoint_wanted = 0;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], nullptr, &before_[i]);
    const bool is_ignored = kSignals[i] == SIGHUP && before_[i].sa_handler == SIG_IGN;
    if (!is_ignored) sigaction(kSignals[i], &action, nullptr);
  }
}

SignalWatch::~SignalWatch() {
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

SignalRequest SignalWatch::take() {
  if (stop_signal != 0) return SignalRequest::kCheckpointAndStop;
  if (checkpoint_wanted == 0) return SignalRequest::kNone;
  checkpoint_wanted = 0;
  return SignalRequest::kCheckpoint;
}

bool SignalWatch::stop_requested() { return stop_signal != 0; }

const char* SignalWatch::stop_signal_name() {
  switch (stop_signal) {
    case SIGUSR1:
      return "SIGUSR1";
    case SIGTERM:
      return "SIGTERM";
    case SIGINT:
      return "SIGINT";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "";
  }
}

}  // namespace rela
