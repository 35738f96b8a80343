#pragma once
// Runs programs one after the other and forwards the parent's signals to them.

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <string>
#include <vector>

namespace rela {

/// How a program ended.
struct ChildExit {
  int code = 0;    // exit status
  int signal = 0;  // the signal that killed it; 0: none
};

/// Takes INT, TERM, HUP (unless it is ignored, as under nohup), USR1 and USR2 from construction to
/// destruction, and forwards each once to the running program, which has a separate process group:
/// it gets Ctrl-C only through this class. A program outlives this process only to stop: it gets a
/// TERM when this process dies.
///
/// For a process with a single thread, one instance at a time.
class ProgramRunner {
 public:
  ProgramRunner();
  ~ProgramRunner();
  ProgramRunner(const ProgramRunner&) = delete;
  ProgramRunner& operator=(const ProgramRunner&) = delete;

  /// Whether a program knows USR2; it kills one that does not.
  enum class UserSignal : uint8_t { kKnown, kUnknown };
  /// Runs a program to completion: its file, then its arguments. Its stdin is empty, its stdout is
  /// discarded, stderr is shared. Throws IoError if it cannot be started.
  ChildExit run(const std::vector<std::string>& command, UserSignal usr2);

  /// Whether INT, TERM, HUP or USR1 has come.
  bool stop_requested();

 private:
  void take(int signal, pid_t child, UserSignal usr2);

  sigset_t taken_ = {};
  sigset_t before_ = {};
  bool stop_ = false;
};

}  // namespace rela
