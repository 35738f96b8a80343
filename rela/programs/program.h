#pragma once
// What every program does besides its work: turn errors into text and exit codes.

#include <functional>
#include <string>
#include <vector>

#include "runtime/error.h"
#include "runtime/io/json.h"

namespace rela {

/// Runs `body`; an Error is printed on stderr, one line per mistake, and becomes its exit code.
int run_program(const std::function<ExitCode()>& body) noexcept;

/// The same for a program that has no use for several processes: it is a usage error if a launcher
/// has started more than this one.
int run_single_program(const char* program, const std::function<ExitCode()>& body) noexcept;

/// For the file of a picture that an option names: as check_output(), and UsageError unless it ends
/// in .png. `other_output`: what the program writes beside it, may be empty.
void check_picture_file(const char* option, const std::string& file,
                        const std::vector<std::string>& inputs,
                        const std::string& other_output = "");

/// Whether a path is that folder, or leads into it; either may be a link.
bool lies_in(const std::string& path, const std::string& folder);

/// Throws UsageError for the name of an output that results could not tell.
void check_output_name(const char* option, const std::string& file);

/// For a file that a program writes: throws UsageError if it has such a name, is one of the files
/// that the program reads, or is there already in a folder of them or as a file that a run keeps,
/// and IoError if it cannot be written. Empty paths do not count.
void check_output(const char* option, const std::string& file,
                  const std::vector<std::string>& inputs);

/// Prints a program's result as the last line of stdout, flushed: it is there whatever happens to
/// the files that are written after it.
void print_result(const JsonValue& result);

/// Restarts the program, once, where OpenMP has to be configured before the process starts.
/// - Its threads spin for milliseconds while they wait: with loader threads or other programs
///   running, that makes a training step several times slower. Not spinning at all makes it 8 %
///   slower on an idle machine. GOMP_SPINCOUNT=2000 is a few microseconds; a policy set by the user
///   is kept.
/// - OMP_DYNAMIC and OMP_MAX_ACTIVE_LEVELS=0 give smaller teams than asked for, and oneDNN's
///   kernels wait for threads that never come.
void configure_openmp(char** argv);

/// Exit status of each program's main().
int train_byol_main(int argc, const char* const* argv);
int evaluate_main(int argc, const char* const* argv);
int embed_main(int argc, const char* const* argv);
int transport_main(int argc, const char* const* argv);
int experiment_main(int argc, const char* const* argv);
int pack_main(int argc, const char* const* argv);
int weights_main(int argc, const char* const* argv);

}  // namespace rela
