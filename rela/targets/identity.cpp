#include "rela/targets/identity.h"

#include <map>
#include <sstream>

#include "rela/config/normalize_field.h"
#include "runtime/error.h"
#include "runtime/io/hash.h"

namespace rela {
namespace {

std::map<std::string, std::string> lines_of(const std::string& identity) {
  std::map<std::string, std::string> lines;
  std::istringstream text(identity);
  for (std::string line; std::getline(text, line);) {
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) lines[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return lines;
}

}  // namespace

std::string target_identity(const Prior& prior, const ImageDataset& dataset, int64_t wanted_width) {
  const ModelInput& input = prior.input();
  const std::string& variant = prior.variant();
  return cat("prior: ", prior.weights_sha256(), variant.empty() ? "" : "\nactivation: " + variant,
             "\npreprocessing: ", input.image_size, " pixels, ",
             to_json_text(to_json(input.normalization), JsonLayout::kCompact),
             "\ndata set: ", to_hex(dataset.fingerprint()), ", ", dataset.size(),
             " images\nwidth: ", wanted_width, " of ", prior.width(), "\n");
}

std::string identity_differences(const std::string& a, const std::string& b) {
  const std::map<std::string, std::string> before = lines_of(a);
  std::string names;
  for (const auto& [name, value] : lines_of(b)) {
    const auto found = before.find(name);
    if (found != before.end() && found->second == value) continue;
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

std::string identity_fingerprint(const std::string& identity) {
  Sha256 hash;
  hash.update(identity.data(), static_cast<int64_t>(identity.size()));
  return hash.hex();
}

}  // namespace rela
