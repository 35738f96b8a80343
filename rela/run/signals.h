#pragma once
// Signals to a running program, handled at step boundaries.
//
//   USR1, TERM, INT, HUP   write a checkpoint and stop (exit code 75); HUP unless it was ignored
//   from
//                          the start, as under nohup
//   USR2                   write a checkpoint and continue
//   TERM or INT again ends the process at once

#include <csignal>
#include <cstdint>
#include <iterator>

namespace rela {

enum class SignalRequest : uint8_t { kNone, kCheckpoint, kCheckpointAndStop };

/// Handles the signals above from construction to destruction. Only one instance at a time.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  /// The strongest request since the last call. A stop request persists.
  SignalRequest take();
  /// Whether a stop was requested; requests stay.
  static bool stop_requested();
  /// "SIGTERM": the signal that requested the stop; empty if none did.
  static const char* stop_signal_name();

 private:
  static constexpr int kSignals[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP};
  struct sigaction before_[std::size(kSignals)] = {};
};

}  // namespace rela
