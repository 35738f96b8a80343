#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rela/data/dataset.h"

namespace rela {

/// Some images of a data set, which must outlive it.
class Subset : public ImageDataset {
 public:
  /// `count` images (all, if there are fewer), drawn at random by the seed without regard to their
  /// classes, in the order of the data set.
  Subset(const ImageDataset& dataset, int64_t count, uint64_t seed);
  /// The images at these positions, in this order.
  Subset(const ImageDataset& dataset, std::vector<int64_t> positions)
      : dataset_(dataset), positions_(std::move(positions)) {}

  int64_t size() const override { return static_cast<int64_t>(positions_.size()); }
  int64_t num_classes() const override { return dataset_.num_classes(); }
  int64_t label(int64_t index) const override { return dataset_.label(position(index)); }
  ImageView image(int64_t index, std::vector<uint8_t>& buffer) const override {
    return dataset_.image(position(index), buffer);
  }
  const std::vector<std::string>& class_names() const override { return dataset_.class_names(); }
  uint64_t fingerprint() const override;
  bool has_labels() const override { return dataset_.has_labels(); }
  bool has_many_sizes() const override { return dataset_.has_many_sizes(); }
  int64_t bad_images() const override { return dataset_.bad_images(); }
  /// `index` is that of the place, also if an image outside of the subset takes it.
  LoadedImage load(int64_t index, const UsefulScale& useful,
                   std::vector<uint8_t>& buffer) const override {
    LoadedImage image = dataset_.load(position(index), useful, buffer);
    image.index = index;
    return image;
  }

  /// The position of an image in the whole data set.
  int64_t position(int64_t index) const { return positions_.at(static_cast<size_t>(index)); }

 private:
  const ImageDataset& dataset_;
  std::vector<int64_t> positions_;
};

}  // namespace rela
