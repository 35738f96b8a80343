#pragma once
// What a data set of photographs holds and where: made once, then kept in a cache.

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rela {

/// Texts one after the other in one block of memory: a million file names cost their letters.
class TextList {
 public:
  void add(std::string_view text) {
    letters_ += text;
    ends_.push_back(static_cast<int64_t>(letters_.size()));
  }
  int64_t size() const { return static_cast<int64_t>(ends_.size()); }
  std::string_view operator[](int64_t i) const {
    const int64_t begin = i == 0 ? 0 : ends_[static_cast<size_t>(i - 1)];
    const int64_t end = ends_[static_cast<size_t>(i)];
    return std::string_view(letters_).substr(static_cast<size_t>(begin),
                                             static_cast<size_t>(end - begin));
  }
  std::vector<std::string> to_strings() const;

  const std::string& letters() const { return letters_; }
  const std::vector<int64_t>& ends() const { return ends_; }
  /// From what these two gave. False if they do not fit each other.
  bool assign(std::string letters, std::vector<int64_t> ends);

 private:
  std::string letters_;
  std::vector<int64_t> ends_;
};

/// The stamp of what is not there.
constexpr int64_t kNoFile = -1;
/// A number that changes when a file or a folder's list of names does.
int64_t file_stamp(const std::filesystem::path& path);
int64_t file_stamp(const struct stat& facts);

/// Images in the order of the data set: by class, then by name, whatever order the disk has them
/// in.
struct PhotoIndex {
  TextList classes;             // in the order of their numbers; none: the images have no labels
  TextList names;               // paths inside the data set, with '/'
  std::vector<int64_t> labels;  // 0 where there are no classes
  std::vector<int64_t> sizes;   // bytes of the encoded images
  std::vector<int64_t> stamps;  // file_stamp() of each, where they are files of their own
  TextList files;               // that hold several images; none: each is a file of its own
  std::vector<int64_t> file;    // which of them, for each image
  std::vector<int64_t> offset;  // bytes from its beginning
  TextList watched;             // files and folders; if one of them changed, the index is stale
  std::vector<int64_t> watched_stamps;  // file_stamp() of each
  bool was_checked = false;  // every image was decoded once, and those that failed left out:
  TextList left_out;         // "name: reason"
  int64_t size() const { return names.size(); }
  /// Of classes, names, labels and sizes.
  uint64_t fingerprint() const;
};

/// An image as a lister finds it.
struct FoundPhoto {
  std::string name{};
  std::string class_name{};  // empty: none
  int64_t bytes = 0;
  int64_t file = 0, offset = 0;
  int64_t stamp = kNoFile;
};
/// Sorts and numbers. All images have a class or none has. Classes are sorted by name, numbers by
/// value.
void add_sorted(std::vector<FoundPhoto> found, PhotoIndex& index);
/// Drops the images for which `keep` is false.
void keep_images(PhotoIndex& index, const std::vector<bool>& keep);

/// Where the cached list of a data set is kept, and of what.
struct CachedList {
  std::string folder;          // of the lists; empty: none is kept
  std::string what;            // format and absolute paths
  std::filesystem::path root;  // of the images that are files of their own
};
/// The index from the cache if it is still true, that is if no file and no folder has changed, else
/// from `make`, and then cached. A cache that cannot be read or written costs only time, and a
/// warning if it could not be written.
PhotoIndex cached_index(const CachedList& list, const std::function<PhotoIndex()>& make);

/// What the folder of a data set's test split may be called, the preferred name first.
inline constexpr std::array<std::string_view, 4> kTestSplitNames{"val", "validation", "valid",
                                                                 "test"};
/// Whether these are the names of a data set's splits (train, and val, valid, validation or test,
/// in any case) and not of classes.
bool are_splits(const std::vector<std::string>& names);

/// Whether a name looks like a picture that can be read: .jpg, .jpeg, .jpe, .jfif, .png or .webp in
/// any case.
bool has_photo_suffix(std::string_view name);

}  // namespace rela
