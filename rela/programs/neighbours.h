#pragma once
// `evaluate neighbours`: a contact sheet of what models take to be alike.

#include <cstdint>
#include <string>
#include <vector>

#include "rela/programs/command_line.h"
#include "rela/programs/device_option.h"
#include "rela/programs/frozen_model.h"

namespace rela {

struct NeighboursArguments {
  FrozenModelArguments data;  // of it, only what names the data
  DeviceOption device;
  std::vector<std::string> runs;       // folders: their exported backbones
  std::vector<std::string> untrained;  // folders of runs: their networks before the first step
  std::vector<std::string> weights;    // files ...
  std::vector<std::string> models;     // ... and the name of each one's model
  bool pixels = false;                 // the pixels themselves
  std::vector<std::string> names;      // titles, in the order of the models
  int64_t queries = 8;
  int64_t k = 8;
  int64_t candidates = 0;  // training images to search; 0: all
  int64_t scale = 0;       // as NeighbourSheet has it
  uint64_t seed = 1;       // of the choice of queries and candidates
  std::string out;
};
void describe_neighbours(CommandLine& app, NeighboursArguments& arguments);

/// Prints the result, then writes the picture. The models stand in the order in which the command
/// line, which `app` has parsed, names them. The result is { "protocol", "picture", "queries", "k",
/// "train_images", "seed", "query_images": [Q], "models": [{ "name", "same_class", "total",
/// "share", "neighbours": [Q][k],
/// ["weights_sha256"] }] }; images are indices of the test and the training split. Throws
/// UsageError for arguments that do not go together, and what loading models and data throws.
void draw_neighbours(const CommandLine& app, const NeighboursArguments& arguments);

}  // namespace rela
