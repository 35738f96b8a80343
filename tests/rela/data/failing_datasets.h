#pragma once
// Data sets with images that cannot be read.

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "rela/data/dataset.h"
#include "runtime/error.h"

namespace rela::test {

/// 32 images, all of which fail.
class BrokenDataset : public ImageDataset {
 public:
  int64_t size() const override { return 32; }
  int64_t num_classes() const override { return 2; }
  int64_t label(int64_t) const override { return 0; }
  ImageView image(int64_t index, std::vector<uint8_t>&) const override {
    throw DataError("image " + std::to_string(index) + " cannot be decoded");
  }
  const std::vector<std::string>& class_names() const override { return names_; }
  uint64_t fingerprint() const override { return 0; }

 private:
  std::vector<std::string> names_{"a", "b"};
};

/// One image fails; all others are black and take a time that depends on the image.
class OneBadImage : public BrokenDataset {
 public:
  explicit OneBadImage(int64_t bad) : bad_(bad) {}
  ImageView image(int64_t index, std::vector<uint8_t>& buffer) const override {
    if (index == bad_) return BrokenDataset::image(index, buffer);
    std::this_thread::sleep_for(std::chrono::microseconds(100 * (index % 7)));
    buffer.assign(3, 0);
    return {buffer.data(), {1, 1}};
  }

 private:
  int64_t bad_;
};

/// Images that take 20 ms each.
class SlowDataset : public BrokenDataset {
 public:
  ImageView image(int64_t, std::vector<uint8_t>& buffer) const override {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    buffer.assign(3, 0);
    return {buffer.data(), {1, 1}};
  }
};

}  // namespace rela::test
