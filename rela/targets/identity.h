#pragma once

#include <string>

#include "rela/data/dataset.h"
#include "rela/prior/prior.h"

namespace rela {

/// What identifies a prior's targets of a data set, as lines "name: value".
std::string target_identity(const Prior& prior, const ImageDataset& dataset, int64_t wanted_width);

/// Names of the lines that differ, "prior, data set"; empty if none does.
std::string identity_differences(const std::string& a, const std::string& b);

/// SHA-256.
std::string identity_fingerprint(const std::string& identity);

}  // namespace rela
