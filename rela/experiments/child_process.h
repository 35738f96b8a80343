#pragma once
// Programs run one after the other, with the signals of their parent.

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

namespace rela {

/// How a program ended.
struct ChildExit {
  int code = 0;    // its exit status
  int signal = 0;  // that killed it; 0: none did
};

/// Takes INT, TERM, USR1 and USR2 from construction to destruction, and passes each once to the
/// program that runs, which stands in a process group of its own: Ctrl-C reaches it by no other
/// way. A program outlives this process only to stop: it gets a TERM when this process dies.
///
/// For a process with a single thread, one at a time.
class ProgramRunner {
 public:
  ProgramRunner();
  ~ProgramRunner();
  ProgramRunner(const ProgramRunner&) = delete;
  ProgramRunner& operator=(const ProgramRunner&) = delete;

  /// Runs a program to its end: its file, then its arguments. It reads nothing; what it says on
  /// stdout is dropped, stderr is shared. Throws IoError when it cannot be started.
  ChildExit run(const std::vector<std::string>& command);

  /// Whether INT, TERM or USR1 has come.
  bool stop_requested();

 private:
  void take(int signal, pid_t child);

  sigset_t taken_ = {};
  sigset_t before_ = {};
  bool stop_ = false;
};

}  // namespace rela
