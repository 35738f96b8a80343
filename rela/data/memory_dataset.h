#pragma once

#include <string>
#include <utility>
#include <vector>

#include "rela/data/dataset.h"
#include "runtime/io/hash.h"

namespace rela {

/// Images of one size, held in memory.
struct MemoryImages {
  ImageDims dims;
  std::vector<uint8_t> pixels;  // [N, height, width, 3]
  std::vector<int64_t> labels;  // [N]
  std::vector<std::string> class_names;
};

class MemoryDataset : public ImageDataset {
 public:
  explicit MemoryDataset(MemoryImages images) : images_(std::move(images)) {
    ContentHash hash;
    hash.update(images_.pixels.data(), static_cast<int64_t>(images_.pixels.size()));
    hash.update(images_.labels.data(),
                static_cast<int64_t>(images_.labels.size() * sizeof(int64_t)));
    fingerprint_ = hash.digest();
  }

  int64_t size() const override { return static_cast<int64_t>(images_.labels.size()); }
  int64_t num_classes() const override { return static_cast<int64_t>(images_.class_names.size()); }
  int64_t label(int64_t index) const override { return images_.labels[static_cast<size_t>(index)]; }
  ImageView image(int64_t index, std::vector<uint8_t>&) const override {
    const int64_t bytes = images_.dims.height * images_.dims.width * 3;
    return {images_.pixels.data() + index * bytes, images_.dims};
  }
  const std::vector<std::string>& class_names() const override { return images_.class_names; }
  uint64_t fingerprint() const override { return fingerprint_; }

 private:
  MemoryImages images_;
  uint64_t fingerprint_ = 0;
};

}  // namespace rela
