#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "kernels/cpu/parallel.h"
#include "kernels/libraries/versions.h"
#include "rela/run/run_directory.h"
#include "runtime/gpu_facts.h"
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
  JsonValue::Object libraries;
  for (const LibraryVersion& library : library_versions())
    libraries.emplace_back(library.name, library.version);
  const GpuFacts facts = gpu_facts();
  JsonValue::Array gpus;
  for (const GpuProperties& gpu : facts.gpus) gpus.emplace_back(describe_gpu(gpu));
  const JsonValue::Object object{
      {"program", JsonValue::Object{{"name", "rela"},
                                    {"version", RELA_VERSION},
                                    {"build", RELA_BUILD_TYPE},
                                    {"compiler", RELA_COMPILER}}},
      {"command", std::move(command)},
      {"host", std::string(system.nodename)},
      {"system", std::string(system.sysname) + " " + system.release},
      {"processor", processor_name()},
      {"threads", int64_t{cpu_threads()}},
      {"memory_bytes", int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE)},
      {"libraries", std::move(libraries)},
      {"cuda", describe_build(facts)},
      {"cuda_driver", cuda_version_text(facts.driver_version)},
      {"gpus", std::move(gpus)},
  };
  return to_json_text(object, JsonLayout::kIndented) + "\n";
}

}  // namespace rela
