#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/augment/view_spec.h"

namespace rela {

/// The smallest share of its size, in (0, 1], at which an image of this size is of use.
using UsefulScale = std::function<double(ImageDims full)>;

/// An image as a data set hands it out.
struct LoadedImage {
  ImageView pixels;
  ImageDims full;     // its size in the data set
  double scale = 1;   // pixels are those of the image shrunk by this factor
  int64_t index = 0;  // of the image that this is: another one, if the one asked for was bad
  int64_t label = 0;  // of that image
};

/// What becomes of an image that cannot be decoded. kError: DataError; kSkip: all images are
/// decoded once when the data set is opened, and bad ones left out; kReplace: the next good one of
/// the data set takes its place.
enum class BadImages : uint8_t { kError, kSkip, kReplace };
struct BadImageRule {
  BadImages policy = BadImages::kError;
  double max_fraction = 0.001;  // of the images that may be bad before it is an error after all
};

/// One that was met.
struct BadImage {
  int64_t index = 0;
  std::string why;  // "file: reason"; empty but for the first few
};

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
  /// False: all labels are 0 and mean nothing.
  virtual bool has_labels() const { return true; }
  /// Photographs: they are cropped and shrunk, with Pillow's rounding. Otherwise all images have
  /// one, small size, and are resized exactly.
  virtual bool has_many_sizes() const { return false; }
  /// Bad images met so far, without repetition, and those left out.
  virtual int64_t bad_images() const { return 0; }
  /// Under BadImages::kReplace: those met so far, each once, without the first `from`.
  virtual std::vector<BadImage> met_bad(size_t /*from*/) const { return {}; }
  /// Counts those that another process met.
  virtual void add_bad(std::span<const BadImage> /*met*/) const {}
  /// Throws DataError if more have been met than the rule allows.
  virtual void check_bad() const {}
  /// As image(), but a large image may come smaller, no smaller than is of use.
  virtual LoadedImage load(int64_t index, const UsefulScale& /*useful*/,
                           std::vector<uint8_t>& buffer) const {
    const ImageView view = image(index, buffer);
    return {view, view.dims, 1, index, label(index)};
  }
};

enum class Split : uint8_t { kTrain, kTest };
const char* split_name(Split split);  // "train", "test"

enum class DataFormat : uint8_t {
  kCifar10,
  kCifar100,
  kIdx,
  kImageFolder,
  kTar,
  kPacked,
  kSynthetic
};
struct NamedDataFormat {
  const char* name;
  DataFormat format;
};
/// All formats, with their names in configs and on command lines.
std::span<const NamedDataFormat> data_formats();
/// For --format: throws UsageError for an unknown name, listing the known ones.
DataFormat data_format(const std::string& name);

struct DatasetSource {
  DataFormat format = DataFormat::kCifar10;
  std::filesystem::path path;  // unused by synthetic
  Split split = Split::kTrain;
  uint64_t synthetic_seed = 0;
  int64_t synthetic_size = 0;  // images in the split; 0: 5,000 to train on, 1,000 to test
  /// The rest is for photographs only. Whether `path` is that split alone, not a set of several.
  bool path_is_split = false;
  BadImageRule bad_images = {};
  std::string cache_folder = {};  // for lists of images; empty: none are kept
};

/// Warns if the test images are the training images.
void warn_if_same(const ImageDataset& train, const ImageDataset& test);

/// Whether the data set has that split. Only folders, archives and packed files of photographs may
/// lack the test split.
bool has_split(const DatasetSource& source);

/// $RELA_CACHE_DIR, or rela/ in $XDG_CACHE_HOME, or in ~/.cache; empty without any.
std::string default_cache_folder();

/// `test` with its labels renumbered as in `train`, by the classes' names. Throws DataError for a
/// class that `train` does not have.
std::unique_ptr<ImageDataset> match_classes(std::unique_ptr<ImageDataset> test,
                                            const ImageDataset& train);

/// Reads a data set. Throws DataError for files that are missing or not what they claim to be,
/// IoError for files that cannot be read.
std::unique_ptr<ImageDataset> open_dataset(const DatasetSource& source);

}  // namespace rela
