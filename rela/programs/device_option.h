#pragma once

#include <string>

#include "runtime/device.h"

namespace rela {

class CommandLine;

/// --device of the programs that work with frozen models and their features.
class DeviceOption {
 public:
  void describe(CommandLine& app);
  /// Starts the device. Throws UsageError for a word that names none, and what open_device()
  /// throws.
  Device open() const;

 private:
  std::string word_ = "auto";
};

}  // namespace rela
