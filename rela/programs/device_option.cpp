#include "rela/programs/device_option.h"

#include <algorithm>

#include "rela/programs/command_line.h"
#include "rela/run/open_device.h"
#include "runtime/error.h"

namespace rela {

void DeviceOption::describe(CommandLine& app) {
  app.add_option("--device", word_, "auto, cpu or cuda; auto: a usable GPU, else the CPU")
      .show_default();
}

Device DeviceOption::open() const {
  const auto* found = std::ranges::find_if(
      kDeviceRequests, [&](const Choice<DeviceRequest>& c) { return word_ == c.name; });
  RELA_CHECK(found != kDeviceRequests.end(), UsageError, "--device: \"", word_,
             "\"; allowed: auto, cpu, cuda");
  return open_device(found->value);
}

}  // namespace rela
