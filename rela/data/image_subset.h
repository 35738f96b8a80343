#pragma once

#include <utility>
#include <vector>

#include "rela/data/dataset.h"
#include "runtime/io/hash.h"

namespace rela {

/// Some images of another data set, which must outlive it, in the order of their indices.
class ImageSubset : public ImageDataset {
 public:
  ImageSubset(const ImageDataset& whole, std::vector<int64_t> indices)
      : whole_(whole), indices_(std::move(indices)) {}

  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  int64_t num_classes() const override { return whole_.num_classes(); }
  int64_t label(int64_t index) const override { return whole_.label(in_whole(index)); }
  ImageView image(int64_t index, std::vector<uint8_t>& buffer) const override {
    return whole_.image(in_whole(index), buffer);
  }
  const std::vector<std::string>& class_names() const override { return whole_.class_names(); }
  uint64_t fingerprint() const override {
    Fnv1a64 hash;
    const uint64_t whole = whole_.fingerprint();
    hash.update(&whole, sizeof whole);
    hash.update(indices_.data(), static_cast<int64_t>(indices_.size() * sizeof(int64_t)));
    return hash.digest();
  }
  /// The index in the other data set.
  int64_t in_whole(int64_t index) const { return indices_.at(static_cast<size_t>(index)); }

 private:
  const ImageDataset& whole_;
  std::vector<int64_t> indices_;
};

}  // namespace rela
