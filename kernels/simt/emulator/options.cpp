#include "kernels/simt/emulator/options.h"

#include <cstdlib>
#include <cstring>

namespace rela::simt {
namespace {

/// Reads a number from an environment variable, if it is set.
void read(const char* variable, int& number) {
  if (const char* text = std::getenv(variable)) number = std::atoi(text);
}

ClaimedDevice claimed_device() {
  ClaimedDevice device;
  read("RELA_SIMT_DEVICES", device.count);
  read("RELA_SIMT_DRIVER", device.driver);
  if (const char* text = std::getenv("RELA_SIMT_CAPABILITY")) {
    device.major = std::atoi(text);
    const char* dot = std::strchr(text, '.');
    device.minor = dot == nullptr ? 0 : std::atoi(dot + 1);
  }
  int mib = static_cast<int>(device.memory_bytes >> 20);
  read("RELA_SIMT_MEMORY_MIB", mib);
  device.memory_bytes = static_cast<size_t>(mib) << 20;
  return device;
}

Options from_environment() {
  Options options;
  options.device = claimed_device();
  int poison = options.poison;
  read("RELA_SIMT_POISON", poison);
  options.poison = static_cast<unsigned char>(poison);
  if (const char* name = std::getenv("RELA_SIMT_BREAK")) options.broken_kernel = name;
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
