#include "kernels/simt/emulator/faults.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "kernels/simt/emulator/machine.h"
#include "kernels/simt/emulator/memory.h"
#include "kernels/simt/emulator/options.h"
#include "kernels/simt/emulator/sanitizers.h"
#include "kernels/simt/emulator/state.h"

#ifndef sigev_notify_thread_id  // glibc before 2.38 has no name for the field
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace rela::simt {
namespace {

constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE};
constexpr size_t kSignalStackBytes = 64u << 10;
constexpr int64_t kNanosecondsToComply = 200'000'000;  // then a lane that never switches is stopped

int timer_signal() { return SIGRTMIN + 5; }

struct Fault {
  int signal = 0;
  const void* address = nullptr;
};
thread_local Fault fault;
thread_local volatile sig_atomic_t time_is_up = 0;

std::string describe(const Fault& what) {
  if (what.signal == SIGFPE) return "integer division by zero, or overflow in it";
  if (what.signal != SIGSEGV && what.signal != SIGBUS) return "the kernel runs too long";
  const char* p = static_cast<const char*>(what.address);
  const fiber::Stack& stack = self->stack;
  if (p < stack.low && p >= stack.low - 4096) return "the thread's stack overflowed";
  const std::string place = describe_address(p);
  char text[64];
  snprintf(text, sizeof(text), "invalid access to %p", what.address);
  return place.empty() ? std::string(text) + ", which is no device memory"
                       : std::string(text) + ", " + place;
}

/// Runs on the lane's stack, where the handler redirects it: no frame is left to unwind.
[[noreturn]] void land() {
  {
    std::string text = to_string(*self) + ": " + describe(fault);
    if (self->site.line != 0) {
      text += "; its last barrier or warp operation: " + to_string(self->site);
    }
    Machine::instance().set_error(std::move(text));
  }
  Machine::instance().suspend(*self);
  __builtin_unreachable();  // lanes of a failed launch are never resumed
}

#if defined(__x86_64__)
bool send_to_landing(void* context) {
  const fiber::Stack& stack = self->stack;
  unpoison_for_asan(stack.low, stack.bytes);
  const uintptr_t top = (reinterpret_cast<uintptr_t>(stack.low) + stack.bytes) & ~uintptr_t{15};
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  registers[REG_RSP] = static_cast<greg_t>(top - 64 - 8);  // as after a call
  registers[REG_RIP] = reinterpret_cast<greg_t>(&land);
  return true;
}
#else
bool send_to_landing(void*) { return false; }
#endif

void on_signal(int number, siginfo_t* info, void* context) {
  const bool timer = number == timer_signal();
  if (timer && time_is_up == 0) {
    time_is_up =
        1;  // the scheduler notices, unless a lane never switches: then the next tick fires
    return;
  }
  if (self != nullptr) {
    fault = {number, info->si_addr};
    if (send_to_landing(context)) return;
  }
  if (!timer) signal(number, SIG_DFL);  // not a kernel's: the instruction faults again
}

void install_handlers() {
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigaction(timer_signal(), &action, nullptr);
  if (kSanitized) return;
  for (const int number : kFaults) sigaction(number, &action, nullptr);
}

/// A stack for handlers, because a lane's stack may have overflowed; and the thread's timer.
class ThreadSetup {
 public:
  ThreadSetup() {
    memory_ = std::make_unique<char[]>(kSignalStackBytes);
    stack_t stack{};
    stack.ss_sp = memory_.get();
    stack.ss_size = kSignalStackBytes;
    sigaltstack(&stack, &old_);
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = timer_signal();
    event.sigev_notify_thread_id = static_cast<pid_t>(syscall(SYS_gettid));
    has_timer_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
  }
  ~ThreadSetup() {
    if (has_timer_) timer_delete(timer_);
    sigaltstack(&old_, nullptr);
  }
  ThreadSetup(const ThreadSetup&) = delete;
  ThreadSetup& operator=(const ThreadSetup&) = delete;

  void set_timer(double seconds) const {
    if (!has_timer_) return;
    itimerspec spec{};
    spec.it_value.tv_sec = static_cast<time_t>(seconds);
    spec.it_value.tv_nsec =
        static_cast<int64_t>((seconds - std::floor(seconds)) * 1e9);  // both 0: off
    if (seconds > 0) spec.it_interval.tv_nsec = kNanosecondsToComply;
    timer_settime(timer_, 0, &spec, nullptr);
  }

 private:
  std::unique_ptr<char[]> memory_;
  stack_t old_{};
  timer_t timer_{};
  bool has_timer_ = false;
};

const ThreadSetup& thread_setup() {
  static const bool installed = (install_handlers(), true);
  static_cast<void>(installed);
  static thread_local const ThreadSetup setup;
  return setup;
}

}  // namespace

FaultGuard::FaultGuard(double max_seconds) {
  time_is_up = 0;
  thread_setup().set_timer(max_seconds);
}
FaultGuard::~FaultGuard() { thread_setup().set_timer(0); }

bool FaultGuard::expired() { return time_is_up != 0; }

}  // namespace rela::simt
