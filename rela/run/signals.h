#pragma once
// Signals to a running program, handled at step boundaries.
//
//   USR1, TERM, INT, HUP   write a checkpoint and stop (exit code 75); HUP unless it was ignored
//                          from the start, as under nohup
//   USR2                   write a checkpoint and continue
//   TERM or INT again ends the process at once

#include <atomic>
#include <csignal>
#include <cstdint>
#include <functional>
#include <iterator>
#include <thread>

#include "runtime/error.h"
#include "runtime/thread.h"

namespace rela {

/// USR1, USR2 and HUP wait, instead of ending the process, until a SignalWatch handles them or
/// release_signals() lets them through; also through an exec, and in child processes. The first
/// thing in main() of programs that handle them.
void hold_signals() noexcept;
void release_signals() noexcept;

enum class SignalRequest : uint8_t { kNone, kCheckpoint, kCheckpointAndStop };

/// Handles the signals above from construction to destruction. An instance within the life of
/// another changes nothing: what came before it is not forgotten.
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
  /// Its number; 0 if none did.
  static int stop_signal_number();

 private:
  bool is_outer_;
  sigset_t mask_before_ = {};
  struct sigaction before_[std::size(kRunSignals)] = {};
};

/// For work that comes to no end of a step: while this lives, a stop request ends the process
/// within a moment, in the middle of whatever it does.
class StopAtOnce {
 public:
  /// What the process ends with: 75 after USR1 or HUP, as at the end of a step, so that job scripts
  /// need to know one code only; 128 + the signal's number after TERM or INT, which kill.
  static ExitCode exit_code();

  /// `last_words` is called before, on another thread, or by the constructor if the request is
  /// older; it must not throw.
  explicit StopAtOnce(std::function<void()> last_words);
  ~StopAtOnce();
  StopAtOnce(const StopAtOnce&) = delete;
  StopAtOnce& operator=(const StopAtOnce&) = delete;

 private:
  void watch();
  void end();

  std::function<void()> last_words_;
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

}  // namespace rela
