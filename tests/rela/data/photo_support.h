#pragma once
// What the tests of data sets of photographs share.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "rela/data/loader.h"
#include "rela/data/photos/pack_file.h"
#include "rela/data/photos/photos.h"
#include "runtime/error.h"

namespace rela::test {

inline DatasetSource source(DataFormat format, const std::filesystem::path& path) {
  DatasetSource s;
  s.format = format;
  s.path = path;
  return s;
}

inline std::vector<std::string> names_of(const PhotoDataset& set) {
  return set.index().names.to_strings();
}

inline std::vector<int64_t> labels_of(const ImageDataset& set) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < set.size(); ++i) labels.push_back(set.label(i));
  return labels;
}

inline std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

/// Bytes of the first batches of training.
inline std::vector<char> first_batches(const ImageDataset& set, int workers) {
  LoaderOptions options;
  options.batch_size = 5;
  options.workers = workers;
  options.views[0].crop_size = options.views[1].crop_size = 16;
  TwoViewLoader loader(set, options);
  std::vector<char> bytes;
  for (int i = 0; i < 6; ++i) {
    const TwoViewBatch& batch = loader.next();
    const auto* raw = static_cast<const char*>(batch.images.raw());
    bytes.insert(bytes.end(), raw, raw + batch.images.bytes());
    const auto* labels = static_cast<const char*>(batch.labels.raw());
    bytes.insert(bytes.end(), labels, labels + batch.labels.bytes());
  }
  return bytes;
}

/// A packed file of a data set's images as they are, bad ones too.
inline std::filesystem::path pack(const PhotoDataset& set, const std::filesystem::path& path) {
  PackWriter writer(path.string(), set.index().classes);
  std::vector<uint8_t> buffer;
  for (int64_t i = 0; i < set.size(); ++i) {
    writer.add(set.index().names[i], set.label(i), set.encoded(i, buffer));
  }
  writer.commit();
  return path;
}

}  // namespace rela::test
