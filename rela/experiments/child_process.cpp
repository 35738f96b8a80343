#include "rela/experiments/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "runtime/error.h"

namespace rela {
namespace {

constexpr int kCannotExecute = 127;  // as in shells

/// The child's side of a fork: nothing here may allocate or lock.
[[noreturn]] void become(char* const* arguments, const sigset_t& mask, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) raise(SIGTERM);  // the parent died before it could be watched
  const int nowhere = open("/dev/null", O_RDWR);
  dup2(nowhere, STDIN_FILENO);
  dup2(nowhere, STDOUT_FILENO);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execv(arguments[0], arguments);
  std::_Exit(kCannotExecute);  // the copy of the parent must not continue
}

}  // namespace

ProgramRunner::ProgramRunner() {
  sigemptyset(&taken_);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD}) sigaddset(&taken_, signal);
  struct sigaction hang_up = {};
  sigaction(SIGHUP, nullptr, &hang_up);
  if (hang_up.sa_handler != SIG_IGN) sigaddset(&taken_, SIGHUP);  // it is under nohup
  std::signal(SIGCHLD, SIG_DFL);  // some launchers ignore it; then waiting for a child fails
  sigprocmask(SIG_BLOCK, &taken_, &before_);
}

ProgramRunner::~ProgramRunner() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

ChildExit ProgramRunner::run(const std::vector<std::string>& command, UserSignal usr2) {
  RELA_CHECK(access(command.at(0).c_str(), X_OK) == 0, IoError, command[0],
             ": cannot be run: ", std::strerror(errno), "; build it beside this program");
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));  // execv does not write to them
  }
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) become(arguments.data(), before_, parent);
  RELA_CHECK(child > 0, IoError, command[0], ": cannot be started: ", std::strerror(errno));
  while (true) {
    const int signal = sigwaitinfo(&taken_, nullptr);
    if (signal != SIGCHLD) {
      if (signal > 0) take(signal, child, usr2);  // below 0: interrupted, by a debugger for example
      continue;
    }
    int status = 0;
    if (waitpid(child, &status, WNOHANG) != child) continue;
    if (WIFEXITED(status)) return {.code = WEXITSTATUS(status)};
    return {.signal = WTERMSIG(status)};
  }
}

bool ProgramRunner::stop_requested() {
  const timespec at_once = {};
  for (int signal = 0; (signal = sigtimedwait(&taken_, nullptr, &at_once)) > 0;)
    take(signal, 0, UserSignal::kUnknown);
  return stop_;
}

void ProgramRunner::take(int signal, pid_t child, UserSignal usr2) {
  if (signal == SIGCHLD) return;
  if (signal != SIGUSR2) stop_ = true;
  if (signal == SIGUSR2 && usr2 == UserSignal::kUnknown) return;
  if (child > 0) kill(child, signal);
}

}  // namespace rela
