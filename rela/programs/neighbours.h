#pragma once
// Contact sheets of what models take to be alike: `evaluate neighbours`, and `evaluate knn` beside
// its result.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rela/data/subset.h"
#include "rela/eval/neighbours.h"
#include "rela/pictures/neighbour_sheet.h"
#include "rela/programs/command_line.h"
#include "rela/programs/device_option.h"
#include "rela/programs/frozen_model.h"

namespace rela {

struct SheetArguments {
  std::string picture;                            // PNG file
  std::optional<int64_t> queries = std::nullopt;  // unset: 8, or as many as there are
  int64_t k = 8;
  const char* k_option = "--k";  // where k comes from
  int64_t scale = 0;             // as NeighbourSheet has it
  uint64_t seed = 1;             // of the choice of queries
};

/// A contact sheet, model by model. The data sets must outlive it.
class NeighbourPicture {
 public:
  /// Chooses the queries among the test images. Throws ConfigError for more queries or neighbours
  /// than there are images or than a picture can show of so many models, UnsupportedError for more
  /// neighbours than the device can find.
  NeighbourPicture(const SheetArguments& arguments, const Subset& candidates,
                   const ImageDataset& test, Device device, int64_t models);

  const Subset& queries() const { return queries_; }
  /// Of the queries in the test split.
  const std::vector<int64_t>& positions() const { return sheet_.queries; }
  /// A group of columns: the candidates nearest to the queries. `bank` and `queries`: what the
  /// model makes of the candidates and of queries(). Rows of the result are positions in the
  /// training split.
  Neighbours add(const std::string& name, const FeatureSet& bank, const FeatureSet& queries);
  /// Throws IoError.
  void write() const;

 private:
  std::string file_;
  const Subset& candidates_;
  NeighbourSheet sheet_;
  Subset queries_;
};

struct NeighboursArguments {
  FrozenModelArguments data;  // of it, only what names the data
  DeviceOption device;
  std::vector<std::string> runs;       // folders: their exported backbones
  std::vector<std::string> untrained;  // folders of runs: their networks before the first step
  std::vector<std::string> weights;    // files ...
  std::vector<std::string> models;     // ... and the name of each one's model
  bool pixels = false;                 // the pixels themselves
  std::vector<std::string> names;      // titles, in the order of the models
  int64_t candidates = 0;              // training images to search; 0: all
  SheetArguments sheet;                // its seed is that of the candidates too
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
