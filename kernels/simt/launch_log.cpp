#include "kernels/simt/launch_log.h"

#include <algorithm>
#include <array>
#include <mutex>

namespace rela::simt {
namespace {

struct Launch {
  const void* kernel = nullptr;
  Site site;
};

std::mutex mutex;
std::array<Launch, kLoggedLaunches> launches;
size_t count = 0;

}  // namespace

void log_launch(const void* kernel, const Site& site) {
  const std::lock_guard lock(mutex);
  launches[count++ % kLoggedLaunches] = {kernel, site};
}

std::string last_launches(std::string (*name_of)(const void* kernel)) {
  const std::lock_guard lock(mutex);
  std::string text;
  for (size_t back = 1; back <= std::min(count, kLoggedLaunches); ++back) {
    const Launch& launch = launches[(count - back) % kLoggedLaunches];
    text += (back == 1 ? "; the kernels launched last: " : ", ") + name_of(launch.kernel) + " (" +
            to_string(launch.site) + ")";
  }
  return text.empty() ? text : text + "; CUDA_LAUNCH_BLOCKING=1 names the one that failed";
}

}  // namespace rela::simt
