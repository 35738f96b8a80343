#include "rela/data/idx.h"

#include <algorithm>
#include <utility>

#include "rela/data/idx_file.h"
#include "rela/data/idx_folder.h"
#include "runtime/error.h"
#include "runtime/io/hash.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

/// Grey images as the files hold them, a third of their size in RGB.
class GreyDataset : public ImageDataset {
 public:
  /// pixels [N, height, width], labels [N].
  GreyDataset(ImageDims dims, std::vector<uint8_t> pixels, std::vector<int64_t> labels,
              std::vector<std::string> class_names)
      : dims_(dims),
        pixels_(std::move(pixels)),
        labels_(std::move(labels)),
        class_names_(std::move(class_names)) {
    ContentHash hash;
    hash.update(&dims_.height, sizeof dims_.height);
    hash.update(&dims_.width, sizeof dims_.width);
    hash.update(pixels_.data(), static_cast<int64_t>(pixels_.size()));
    hash.update(labels_.data(), static_cast<int64_t>(labels_.size() * sizeof(int64_t)));
    fingerprint_ = hash.digest();
  }

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  int64_t num_classes() const override { return static_cast<int64_t>(class_names_.size()); }
  int64_t label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }
  ImageView image(int64_t index, std::vector<uint8_t>& buffer) const override {
    const int64_t count = dims_.height * dims_.width;
    const uint8_t* grey = pixels_.data() + index * count;
    if (buffer.size() < static_cast<size_t>(3 * count)) {
      buffer.resize(static_cast<size_t>(3 * count));
    }
    for (int64_t p = 0; p < count; ++p) std::fill_n(buffer.data() + 3 * p, 3, grey[p]);
    return {buffer.data(), dims_};
  }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  uint64_t fingerprint() const override { return fingerprint_; }

 private:
  ImageDims dims_;
  std::vector<uint8_t> pixels_;
  std::vector<int64_t> labels_;
  std::vector<std::string> class_names_;
  uint64_t fingerprint_ = 0;
};

/// images [N, d1, d2] -> [N, d2, d1].
void transpose(IdxArray& images) {
  const int64_t rows = images.dims[1];
  const int64_t columns = images.dims[2];
  std::vector<uint8_t> old(static_cast<size_t>(rows * columns));
  for (int64_t n = 0; n < images.dims[0]; ++n) {
    uint8_t* image = images.values.data() + n * rows * columns;
    std::copy_n(image, old.size(), old.begin());
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t r = 0; r < rows; ++r) {
        image[c * rows + r] = old[static_cast<size_t>(r * columns + c)];
      }
    }
  }
  std::swap(images.dims[1], images.dims[2]);
}

/// The labels of a file, all at least `first`.
std::vector<uint8_t> read_labels(const fs::path& file, int64_t first) {
  std::vector<uint8_t> labels = read_idx(file.string(), IdxKind::kLabels).values;
  for (size_t i = 0; i < labels.size(); ++i) {
    RELA_CHECK(labels[i] >= first, DataError, file.string(), ": label ",
               static_cast<int>(labels[i]), " at offset ",
               idx_header_bytes(IdxKind::kLabels) + static_cast<int64_t>(i),
               "; the labels of this set start at ", first);
  }
  return labels;
}

}  // namespace

std::unique_ptr<ImageDataset> open_idx(const fs::path& path, Split split) {
  const IdxFiles files = find_idx_files(path, split);
  const int64_t first = files.set == "emnist-letters-" ? 1 : 0;
  const std::vector<uint8_t> stored = read_labels(files.labels, first);
  uint8_t largest = *std::max_element(stored.begin(), stored.end());
  if (!files.other_labels.empty()) {
    const std::vector<uint8_t> other = read_labels(files.other_labels, first);
    largest = std::max(largest, *std::max_element(other.begin(), other.end()));
  }
  IdxArray images = read_idx(files.images.string(), IdxKind::kImages);
  RELA_CHECK(images.dims[0] == static_cast<int64_t>(stored.size()), DataError,
             files.images.string(), ": ", images.dims[0], " images at offset 4, and ",
             files.labels.string(), " has ", stored.size(),
             " labels; the two files are of different sets, fetch them again");
  if (files.set.starts_with("emnist-")) transpose(images);

  std::vector<int64_t> labels(stored.size());
  std::transform(stored.begin(), stored.end(), labels.begin(),
                 [first](uint8_t label) { return label - first; });
  std::vector<std::string> names;
  for (int64_t label = first; label <= largest; ++label) names.push_back(cat("class ", label));
  return std::make_unique<GreyDataset>(ImageDims{images.dims[1], images.dims[2]},
                                       std::move(images.values), std::move(labels),
                                       std::move(names));
}

}  // namespace rela
