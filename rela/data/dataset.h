#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/augment/view_spec.h"

namespace rela {

/// Labelled RGB images in a fixed order. All members are const and may be called from many threads
/// at once.
class ImageDataset {
 public:
  virtual ~ImageDataset() = default;
  ImageDataset() = default;
  ImageDataset(const ImageDataset&) = delete;
  ImageDataset& operator=(const ImageDataset&) = delete;

  virtual int64_t size() const = 0;
  virtual int64_t num_classes() const = 0;
  /// In [0, num_classes()).
  virtual int64_t label(int64_t index) const = 0;
  /// Valid until `buffer` changes or the data set goes. A set that decodes on demand decodes into
  /// `buffer` (grown when needed, one per thread); a set that lives in memory leaves it alone.
  virtual ImageView image(int64_t index, std::vector<uint8_t>& buffer) const = 0;
  /// One per class.
  virtual const std::vector<std::string>& class_names() const = 0;
  /// Changes when the pixels, the labels or their order change.
  virtual uint64_t fingerprint() const = 0;
};

enum class Split : uint8_t { kTrain, kTest };
const char* split_name(Split split);  // "train", "test"

enum class DataFormat : uint8_t { kCifar10, kCifar100, kIdx, kSynthetic };
struct NamedDataFormat {
  const char* name;
  DataFormat format;
};
/// All formats, with their names in configs and on command lines.
std::span<const NamedDataFormat> data_formats();
/// Throws ConfigError for an unknown name, listing the known ones.
DataFormat data_format(const std::string& name);

struct DatasetSource {
  DataFormat format = DataFormat::kCifar10;
  std::filesystem::path path;  // unused by synthetic
  Split split = Split::kTrain;
  uint64_t synthetic_seed = 0;
  int64_t synthetic_size = 0;  // images in the split; 0: 5,000 to train on, 1,000 to test
};

/// Reads a data set. Throws DataError for files that are missing or not what they claim to be,
/// IoError for files that cannot be read.
std::unique_ptr<ImageDataset> open_dataset(const DatasetSource& source);

}  // namespace rela
