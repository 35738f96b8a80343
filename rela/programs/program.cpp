#include "rela/programs/program.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <thread>

#include "kernels/cpu/parallel.h"
#include "rela/run/run_directory.h"
#include "runtime/comm/world.h"
#include "runtime/io/config_table.h"
#include "runtime/io/file.h"
#include "runtime/io/quoted.h"
#include "runtime/log.h"

namespace rela {
namespace {

/// A closed standard stream would give its number to the next file that is opened, and log lines
/// would end up in that file. Results that nobody can read are an error, log lines are not.
void reserve_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) == -1) (void)!open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY);
  }
}

/// oneDNN does not check all of its own allocations: it ends in an invalid access instead. Where
/// the address space is limited, that is what an invalid access most likely is.
void on_invalid_access(int signal) {
  constexpr char kText[] =
      "memory: invalid access, most likely in a library that got no memory; raise the limit on the "
      "address space (ulimit -v), or lower batch_size or data.workers\n";
  (void)!write(STDERR_FILENO, kText, sizeof kText - 1);
  std::signal(signal, SIG_DFL);
  std::raise(signal);  // it remains a crash, with its core file
}

void explain_invalid_access() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    std::signal(SIGSEGV, on_invalid_access);
}

/// By the launcher's word, before the ranks have joined.
int launched_rank() noexcept {
  try {
    return detect_launch().rank;
  } catch (const Error&) {
    return 0;
  }
}

/// Prints why the program fails. Mostly all ranks fail alike, and the first ends the others before
/// they say the same.
void speak_for_all_ranks(const char* text) {
  const bool has_joined = !world().is_alone();
  const int rank = has_joined ? world().rank : launched_rank();
  if (rank > 0) {
    std::this_thread::sleep_for(std::chrono::seconds(has_joined ? 1 : 3));
    std::fprintf(stderr, "rank %d: %s\n", rank, text);
  } else {
    std::fprintf(stderr, "%s\n", text);
  }
}

}  // namespace

namespace {

/// A data set in a thousand archives has them all open; the usual limit is 1,024, and the highest
/// that a process may ask for is far above.
void allow_many_open_files() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int run_program(const std::function<ExitCode()>& body) noexcept {
  const auto fail = [](const std::string& text, ExitCode code) {
    flush_log();
    speak_for_all_ranks(text.c_str());
    end_world(static_cast<int>(code));
    return static_cast<int>(code);
  };
  try {
    reserve_standard_streams();
    ignore_file_size_signal();
    allow_many_open_files();
    explain_invalid_access();
    std::signal(SIGPIPE, SIG_IGN);  // whoever reads the output may go; a run does not end with them
    flush_denormals();
    const ExitCode code = body();
    leave_world();
    flush_log();
    const bool is_lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
    if (is_lost && code == ExitCode::kDone)
      return fail("stdout: what the program printed could not be written", ExitCode::kIo);
    return static_cast<int>(code);
  } catch (const std::exception& e) {
    return fail(message_of(e), exit_code_of(e));
  }
}

int run_single_program(const char* program, const std::function<ExitCode()>& body) noexcept {
  return run_program([&] {
    const Launch launch = detect_launch();
    RELA_CHECK(launch.is_alone(), UsageError, program, " runs as one process, and ",
               launch.launcher, " started ", launch.size, "; start it without ",
               launch.launcher == "srun" ? "srun" : "mpirun");
    return body();
  });
}

void check_picture_file(const char* option, const std::string& file,
                        const std::vector<std::string>& inputs, const std::string& other_output) {
  RELA_CHECK(file.ends_with(".png"), UsageError, option, ": \"", file,
             "\"; the picture is a PNG: a file that ends in .png");
  const bool is_same =
      !other_output.empty() && absolute_path("", file) == absolute_path("", other_output);
  RELA_CHECK(!is_same, UsageError, option, ": \"", file,
             "\" is what --out names, too; give them different names");
  check_output(option, file, inputs);
  for (const std::string& input : inputs) {
    std::error_code none;
    RELA_CHECK(!std::filesystem::is_directory(input, none) || !lies_in(file, input), UsageError,
               option, ": \"", file, "\" would lie in ", input,
               ", which is read, and be one of its pictures; name another place");
  }
}

bool lies_in(const std::string& path, const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code none;
  const fs::path inner = fs::weakly_canonical(path, none);
  const fs::path outer = fs::weakly_canonical(folder, none);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

void check_output_name(const char* option, const std::string& file) {
  RELA_CHECK(is_utf8(file), UsageError, option, ": ", quoted(file),
             "; the name is not UTF-8, and results that tell it could not be written");
}

namespace {

namespace fs = std::filesystem;

/// The run that keeps the file at that path; empty if none does. Results of evaluations are not
/// kept.
fs::path run_that_keeps(const fs::path& file) {
  for (fs::path below = file; below.has_relative_path(); below = below.parent_path()) {
    fs::path folder = below.parent_path();
    const std::string name = below.filename().string();
    std::error_code none;
    if (name != "eval" && std::ranges::count(run_files(), name) > 0 &&
        fs::exists(folder / "config.resolved.json", none))
      return folder;
  }
  return {};
}

void check_no_run_keeps(const char* option, const std::string& file) {
  std::error_code none;
  for (const fs::path& path :
       {fs::absolute(file, none).lexically_normal(), fs::weakly_canonical(file, none)}) {
    const fs::path run = run_that_keeps(path);
    RELA_CHECK(run.empty(), UsageError, option, ": \"", file,
               "\" is there already, and belongs to the run ", run.string(), "; name another file");
  }
}

}  // namespace

void check_output(const char* option, const std::string& file,
                  const std::vector<std::string>& inputs) {
  check_output_name(option, file);
  std::error_code none;
  for (const std::string& input : inputs) {
    if (input.empty() || !fs::exists(file, none)) continue;
    const bool is_read = lies_in(file, input) || fs::equivalent(file, input, none);
    RELA_CHECK(!is_read, UsageError, option, ": \"", file, "\" is there already, and ", input,
               " is read; name another file");
  }
  if (fs::exists(file, none)) check_no_run_keeps(option, file);
  check_writable(file);
}

void print_result(const JsonValue& result) {
  std::printf("%s\n", to_json_text(result, JsonLayout::kCompact).c_str());
  std::fflush(stdout);
}

void configure_openmp(char** argv) {
  const auto text = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  bool changed = false;
  const auto set = [&](const char* name, const char* value) {
    setenv(name, value, /*overwrite=*/1);
    changed = true;
  };
  if (text("OMP_WAIT_POLICY").empty() && text("GOMP_SPINCOUNT").empty())
    set("GOMP_SPINCOUNT", "2000");
  if (const std::string dynamic = text("OMP_DYNAMIC"); !dynamic.empty() && dynamic != "false")
    set("OMP_DYNAMIC", "false");
  if (text("OMP_MAX_ACTIVE_LEVELS") == "0") set("OMP_MAX_ACTIVE_LEVELS", "1");
  if (changed)
    execv("/proc/self/exe", argv);  // returns only on failure: then it has to do as it is
}

}  // namespace rela
