#pragma once
// A source location, captured by a default argument at the end of a parameter list.

#include <string>

#if !defined( \
    __clang__)  // clang 14 has __builtin_COLUMN, not std::source_location; g++ 12 the reverse
#include <source_location>
#endif

namespace rela::simt {

struct Site {
  const char* file = "";
  int line = 0;
  int column = 0;
};

/// "kernels/norm/batch_norm_cuda.cu:41", from the root of the project.
std::string to_string(const Site& site);

}  // namespace rela::simt

#if defined(__clang__)
#define SIMT_SITE                                          \
  ::rela::simt::Site here_ = ::rela::simt::Site {          \
    __builtin_FILE(), __builtin_LINE(), __builtin_COLUMN() \
  }
#define SIMT_SITE_DEFINED ::rela::simt::Site here_  // where the default is declared
#define SIMT_HERE here_
#else
#define SIMT_SITE std::source_location here_ = std::source_location::current()
#define SIMT_SITE_DEFINED std::source_location here_
#define SIMT_HERE \
  ::rela::simt::Site { here_.file_name(), int(here_.line()), int(here_.column()) }
#endif
