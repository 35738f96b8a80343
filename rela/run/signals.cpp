#include "rela/run/signals.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <utility>

namespace rela {
namespace {

volatile std::sig_atomic_t stop_signal = 0;
volatile std::sig_atomic_t checkpoint_wanted = 0;
volatile std::sig_atomic_t is_urgent = 0;  // TERM or INT was there
std::atomic<bool> is_watched = false;      // a SignalWatch lives

/// Only sets flags: everything else waits for the end of the step.
void on_signal(int number) {
  if (number == SIGUSR2) {
    checkpoint_wanted = 1;
    return;
  }
  const bool urges = number == SIGTERM || number == SIGINT;
  if (stop_signal == 0 || urges) stop_signal = number;
  if (urges && is_urgent != 0) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  if (urges) is_urgent = 1;
}

constexpr int kHeldSignals[] = {SIGUSR1, SIGUSR2, SIGHUP};  // the others are meant to end it

sigset_t held_signals() noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kHeldSignals) sigaddset(&set, signal);
  return set;
}

}  // namespace

void hold_signals() noexcept {
  const sigset_t held = held_signals();
  pthread_sigmask(SIG_BLOCK, &held, nullptr);
}

void release_signals() noexcept {
  const sigset_t held = held_signals();
  pthread_sigmask(SIG_UNBLOCK, &held, nullptr);
}

SignalWatch::SignalWatch() : is_outer_(!is_watched.exchange(true)) {
  if (!is_outer_) return;
  stop_signal = 0;
  checkpoint_wanted = 0;
  is_urgent = 0;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < std::size(kRunSignals); ++i) {
    sigaction(kRunSignals[i], nullptr, &before_[i]);
    const bool is_ignored = kRunSignals[i] == SIGHUP && before_[i].sa_handler == SIG_IGN;
    if (!is_ignored) sigaction(kRunSignals[i], &action, nullptr);
  }
  pthread_sigmask(SIG_BLOCK, nullptr, &mask_before_);
  release_signals();
}

SignalWatch::~SignalWatch() {
  if (!is_outer_) return;
  is_watched = false;
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
  for (size_t i = 0; i < std::size(kRunSignals); ++i)
    sigaction(kRunSignals[i], &before_[i], nullptr);
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

int SignalWatch::stop_signal_number() { return stop_signal; }

ExitCode StopAtOnce::exit_code() {
  constexpr int kKilled = 128;  // as shells say it
  const int number = SignalWatch::stop_signal_number();
  const bool kills = number == SIGTERM || number == SIGINT;
  return kills ? ExitCode{kKilled + number} : ExitCode::kStoppedBySignal;
}

StopAtOnce::StopAtOnce(std::function<void()> last_words) : last_words_(std::move(last_words)) {
  if (SignalWatch::stop_requested()) end();  // the thread might come too late
  const StopSignalsBlocked inherited;
  thread_ = start_thread([this] { watch(); });
}

StopAtOnce::~StopAtOnce() {
  is_over_ = true;
  thread_.join();
}

void StopAtOnce::end() {
  last_words_();
  if (exit_code() == ExitCode::kStoppedBySignal)
    std::_Exit(static_cast<int>(exit_code()));  // no thread can unwind another
  const int number = SignalWatch::stop_signal_number();
  std::signal(number, SIG_DFL);
  kill(getpid(), number);  // for the main thread: in others it is blocked
}

void StopAtOnce::watch() {
  while (!is_over_) {
    if (SignalWatch::stop_requested()) end();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace rela
