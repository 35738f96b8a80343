#include "rela/programs/program.h"

#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "rela/programs/build_report.h"
#include "runtime/io/file.h"
#include "runtime/io/nearest.h"
#include "runtime/log.h"

namespace rela {
namespace {

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string explain_extras(const CLI::App& app) {
  std::string text;
  for (const std::string& extra : app.remaining(/*recurse=*/true)) {
    if (!text.empty()) text += '\n';
    text += extra + ": ";
    if (extra.starts_with("-")) {
      const std::string near = nearest_word(extra.substr(0, extra.find('=')), option_names(app));
      text +=
          "unknown option; " + (near.empty() ? "--help lists them" : "did you mean " + near + "?");
    } else {
      text += "unexpected argument; --help shows the usage";
    }
  }
  return text;
}

}  // namespace

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

void limit_spinning(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  setenv("GOMP_SPINCOUNT", "2000", /*overwrite=*/1);
  execv("/proc/self/exe", argv);  // returns only on failure: then the threads spin for longer
}

bool parse_command_line(CLI::App& app, int argc, const char* const* argv) {
  app.allow_extras();
  app.set_version_flag("--version", [] {
    const GpuFacts facts = gpu_facts();
    std::string text = build_report(facts) + kernel_reports(facts);
    text.pop_back();  // the parser ends the line
    return text;
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    std::fputs(app.help().c_str(), stdout);
    return false;
  } catch (const CLI::CallForAllHelp& e) {
    std::fputs(app.help("", CLI::AppFormatMode::All).c_str(), stdout);
    return false;
  } catch (const CLI::CallForVersion& e) {
    std::printf("%s\n", e.what());
    return false;
  } catch (const CLI::ParseError& e) {
    throw UsageError(cat(e.what(), "; --help shows the usage"));
  }
  const std::string extras = explain_extras(app);
  RELA_CHECK(extras.empty(), UsageError, extras);
  return true;
}

}  // namespace rela
