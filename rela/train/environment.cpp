#include <sys/utsname.h>
#include <unistd.h>

#include <dnnl.h>
#include <array>
#include <fstream>

#include "kernels/parallel.h"
#include "rela/train/run_directory.h"
#include "runtime/io/json.h"

namespace rela {
namespace {

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) {
      const size_t colon = line.find(": ");
      return colon == std::string::npos ? line : line.substr(colon + 2);
    }
  }
  return "unknown";
}

}  // namespace

std::string environment_json(int argc, const char* const* argv) {
  utsname system{};
  uname(&system);
  JsonValue::Array command;
  for (int i = 0; i < argc; ++i) command.emplace_back(std::string(argv[i]));
  const dnnl_version_t* dnnl = dnnl_version();
  const JsonValue::Object object{
      {"program", JsonValue::Object{{"name", "rela"},
                                    {"version", RELA_VERSION},
                                    {"build", RELA_BUILD_TYPE},
                                    {"compiler", "g++ " __VERSION__}}},
      {"command", std::move(command)},
      {"host", std::string(system.nodename)},
      {"system", std::string(system.sysname) + " " + system.release},
      {"processor", processor_name()},
      {"threads", int64_t{cpu_threads()}},
      {"memory_bytes", int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE)},
      {"libraries", JsonValue::Object{{"onednn", std::to_string(dnnl->major) + "." +
                                                     std::to_string(dnnl->minor) + "." +
                                                     std::to_string(dnnl->patch)}}},
  };
  return to_json_text(object, JsonLayout::kIndented) + "\n";
}

}  // namespace rela
