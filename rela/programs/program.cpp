#include "rela/programs/program.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "runtime/io/file.h"
#include "runtime/log.h"

namespace rela {
int run_program(const std::function<ExitCode()>& body) noexcept {
  const auto fail = [](const char* text, ExitCode code) {
    flush_log();
    std::fprintf(stderr, "%s\n", text);
    return static_cast<int>(code);
  };
  try {
    ignore_file_size_signal();
    const ExitCode code = body();
    flush_log();
    return static_cast<int>(code);
  } catch (const Error& e) {
    return fail(e.what(), e.exit_code());
  } catch (const std::bad_alloc&) {
    return fail("memory: the system has no more; lower batch_size or data.workers",
                ExitCode::kDevice);
  } catch (const std::exception& e) {
    return fail(e.what(), ExitCode::kInternal);
  }
}

void print_result(const JsonValue& result) {
  std::printf("%s\n", to_json_text(result, JsonLayout::kCompact).c_str());
  std::fflush(stdout);
}

void limit_spinning(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  setenv("GOMP_SPINCOUNT", "2000", /*overwrite=*/1);
  execv("/proc/self/exe", argv);  // returns only on failure: then the threads spin for longer
}

}  // namespace rela
