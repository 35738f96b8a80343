#include <algorithm>
#include <utility>

#include "rela/data/dataset.h"
#include "runtime/error.h"
#include "runtime/io/nearest.h"

namespace rela {
namespace {

/// A data set whose labels are numbered as in another.
class Renumbered : public ImageDataset {
 public:
  Renumbered(std::unique_ptr<ImageDataset> images, std::vector<std::string> names,
             std::vector<int64_t> numbers)
      : images_(std::move(images)), names_(std::move(names)), numbers_(std::move(numbers)) {}

  int64_t size() const override { return images_->size(); }
  int64_t num_classes() const override { return static_cast<int64_t>(names_.size()); }
  int64_t label(int64_t index) const override {
    return numbers_[static_cast<size_t>(images_->label(index))];
  }
  ImageView image(int64_t index, std::vector<uint8_t>& buffer) const override {
    return images_->image(index, buffer);
  }
  LoadedImage load(int64_t index, const UsefulScale& useful,
                   std::vector<uint8_t>& buffer) const override {
    LoadedImage image = images_->load(index, useful, buffer);
    image.label = numbers_[static_cast<size_t>(image.label)];
    return image;
  }
  const std::vector<std::string>& class_names() const override { return names_; }
  uint64_t fingerprint() const override { return images_->fingerprint(); }
  bool has_labels() const override { return images_->has_labels(); }
  bool has_many_sizes() const override { return images_->has_many_sizes(); }
  int64_t bad_images() const override { return images_->bad_images(); }

 private:
  std::unique_ptr<ImageDataset> images_;
  std::vector<std::string> names_;
  std::vector<int64_t> numbers_;
};

/// Whether it has accents that are letters of their own, U+0300 to U+036F: macOS writes names so.
bool is_decomposed(const std::string& name) {
  for (size_t i = 0; i + 1 < name.size(); ++i) {
    const auto a = static_cast<unsigned char>(name[i]), b = static_cast<unsigned char>(name[i + 1]);
    if (a == 0xcc || (a == 0xcd && b <= 0xaf)) return true;
  }
  return false;
}

std::string hint_at_accents(const std::string& name, const std::vector<std::string>& others) {
  const bool is_it = is_decomposed(name);
  const bool differs = std::ranges::any_of(
      others, [&](const std::string& other) { return is_decomposed(other) != is_it; });
  const bool has_accents = is_it || std::ranges::any_of(name, [](char c) {
                             return (static_cast<unsigned char>(c) & 0x80u) != 0;
                           });
  if (!differs || !has_accents) return "";
  return "; names that look alike may be written differently: macOS writes accents as letters of "
         "their own (convmv -f utf8 -t utf8 --nfc renames them)";
}

}  // namespace

std::unique_ptr<ImageDataset> match_classes(std::unique_ptr<ImageDataset> test,
                                            const ImageDataset& train) {
  const std::vector<std::string>& names = train.class_names();
  if (!test->has_labels() || !train.has_labels() || test->class_names() == names) return test;
  std::vector<int64_t> numbers;
  for (const std::string& name : test->class_names()) {
    const auto found = std::ranges::find(names, name);
    const std::string nearest = nearest_word(name, names);
    RELA_CHECK(found != names.end(), DataError, "the test images have the class \"", name,
               "\", which is none of the ", names.size(), " classes of the training images",
               nearest.empty() ? "" : cat("; did you mean ", nearest, "?"),
               hint_at_accents(name, names));
    numbers.push_back(found - names.begin());
  }
  return std::make_unique<Renumbered>(std::move(test), names, std::move(numbers));
}

}  // namespace rela
