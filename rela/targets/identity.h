#pragma once

#include <string>

#include "rela/data/dataset.h"
#include "rela/prior/prior.h"

namespace rela {

/// What tells a prior's targets of a data set from all others, as lines "name: value".
std::string target_identity(const Prior& prior, const ImageDataset& dataset, int64_t wanted_width);

/// Names of the lines that differ, "prior, data set"; empty when none does.
std::string identity_differences(const std::string& a, const std::string& b);

/// SHA-256.
std::string identity_fingerprint(const std::string& identity);

}  // namespace rela
