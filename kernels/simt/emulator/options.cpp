#include "kernels/simt/emulator/options.h"

#include <cstdlib>

namespace rela::simt {
namespace {

Options from_environment() {
  Options options;
  if (const char* drop = std::getenv("RELA_SIMT_DROP")) {
    const std::string text = drop;
    const size_t colon = text.rfind(':');
    if (colon != std::string::npos) {
      options.dropped = {text.substr(0, colon), std::atoi(text.c_str() + colon + 1)};
    }
  }
  return options;
}

}  // namespace

Options& options() {
  static Options options = from_environment();
  return options;
}

}  // namespace rela::simt
