#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/comm/communicator.h"

namespace rela {

/// Something that all ranks must have alike, and this rank's value: "config", its text.
struct SharedFact {
  std::string name;
  std::string value;
};
/// Collective. Throws DistributedError that names the ranks whose value differs from the first's.
void check_agreement(Communicator& ranks, const std::vector<SharedFact>& facts);

}  // namespace rela
