#include "rela/data/photos/image_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "rela/data/images/decode.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

using FileId = std::pair<dev_t, ino_t>;

/// Also what macOS and Synology's servers add.
bool is_hidden(const std::string& name) {
  return name.starts_with('.') || name == "__MACOSX" || name == "@eaDir";
}

/// Whether the first bytes are those of a picture.
bool looks_like_photo(const fs::path& file) {
  try {
    const InputFile input(file.string());
    std::vector<uint8_t> head(static_cast<size_t>(std::min<int64_t>(input.size(), 16)));
    input.read_at(0, head.data(), static_cast<int64_t>(head.size()));
    return image_type(head).has_value();
  } catch (const IoError&) {
    return false;
  }
}

class Lister {
 public:
  explicit Lister(fs::path root) : root_(std::move(root)) {}

  PhotoIndex list() {
    walk(root_, "", "");
    PhotoIndex index;
    const bool flat = classes_.empty();
    if (!flat && !at_root_.empty()) {
      log_warning(root_.string(), ": ", at_root_.size(), " pictures outside of the class folders, ",
                  at_root_.front().name, " for example, are left out");
    }
    check_is_no_parent();
    report(classes_);
    std::vector<FoundPhoto>& found = flat ? at_root_ : in_classes_;
    RELA_CHECK(!found.empty(), DataError, root_.string(),
               ": no pictures (.jpg, .jpeg, .png, .webp) in here, nor in the folders in it; name "
               "the folder that holds the class folders, or the pictures");
    for (const auto& [folder, stamp] : watched_) {
      index.watched.add(folder);
      index.watched_stamps.push_back(stamp);
    }
    add_sorted(std::move(found), index);
    return index;
  }

 private:
  /// A folder above the one with the splits would have a single class, and test images in it.
  void check_is_no_parent() const {
    RELA_CHECK(!are_splits({classes_.begin(), classes_.end()}), DataError, root_.string(),
               ": its folders ", *classes_.begin(), " and ", *classes_.rbegin(),
               " are splits and no classes; call them train and val");
    if (classes_.size() != 1) return;
    const fs::path only = root_ / *classes_.begin();
    RELA_CHECK(split_folder(only, Split::kTrain) == only, DataError, root_.string(),
               ": its only folder with pictures, ", *classes_.begin(),
               ", holds the splits; name that one: ", only.string());
  }

  void report(const std::set<std::string>& classes) const {
    for (const std::string& folder : top_folders_) {
      if (!classes.empty() && classes.count(folder) == 0) {
        log_warning(root_.string(), ": the folder ", folder, " has no pictures, it is no class");
      }
    }
    for (const auto& [suffix, count] : others_) {
      log_info(root_.string(), ": ", count, suffix.empty() ? " files without a suffix" : " files ",
               suffix, " are left out: not JPEG, PNG or WebP");
    }
  }

  /// `below`: path below the root, with a final '/'.
  void walk(const fs::path& folder, const std::string& below, const std::string& class_name) {
    struct stat self {};
    RELA_CHECK(stat(folder.c_str(), &self) == 0, IoError, folder.string(), ": cannot be read");
    const FileId id{self.st_dev, self.st_ino};
    if (!above_.insert(id).second) {
      log_warning(folder.string(), ": a link to a folder that leads to it, not followed");
      return;
    }
    watched_.emplace_back(folder.string(), file_stamp(folder));
    std::error_code failure;
    fs::directory_iterator entries(folder, failure);
    RELA_CHECK(!failure, IoError, folder.string(), ": cannot be read: ", failure.message());
    for (const fs::directory_entry& entry : entries) {
      const std::string name = entry.path().filename().string();
      if (!is_hidden(name)) take(entry.path(), name, below, class_name);
    }
    above_.erase(id);
  }

  void take(const fs::path& path, const std::string& name, const std::string& below,
            const std::string& class_name) {
    struct stat s {};
    const bool is_there = stat(path.c_str(), &s) == 0;  // false for a link that points nowhere
    if (is_there && S_ISDIR(s.st_mode)) {
      if (below.empty()) top_folders_.insert(name);
      walk(path, below + name + "/", below.empty() ? name : class_name);
      return;
    }
    if (is_there && !S_ISREG(s.st_mode)) return;
    const bool has_suffix = name.find('.') != std::string::npos;
    if (has_suffix ? !has_photo_suffix(name) : !is_there || !looks_like_photo(path)) {
      const size_t dot = name.rfind('.');
      ++others_[dot == std::string::npos ? "" : name.substr(dot)];
      return;
    }
    FoundPhoto photo{.name = below + name, .class_name = class_name};
    if (is_there) {
      photo.bytes = s.st_size;
      photo.stamp = file_stamp(s);
    }
    if (class_name.empty()) {
      at_root_.push_back(std::move(photo));
    } else {
      classes_.insert(class_name);
      in_classes_.push_back(std::move(photo));
    }
  }

  fs::path root_;
  std::set<FileId> above_;  // the folders that lead to this one
  std::vector<std::pair<std::string, int64_t>> watched_;
  std::vector<FoundPhoto> at_root_, in_classes_;
  std::set<std::string> classes_, top_folders_;
  std::map<std::string, int64_t> others_;  // suffix, files
};

}  // namespace

PhotoIndex list_image_folder(const fs::path& folder) {
  RELA_CHECK(fs::exists(folder), DataError, folder.string(),
             ": no such folder; name the one that holds the pictures");
  RELA_CHECK(
      fs::is_directory(folder), DataError, folder.string(),
      ": not a folder; name the one that holds the pictures, or the format of that file, tar "
      "or packed");
  return Lister(folder).list();
}

fs::path split_folder(const fs::path& path, Split split) {
  const auto test_split = [](const fs::path& folder) {
    for (const std::string_view name : kTestSplitNames) {
      if (fs::is_directory(folder / name)) return folder / name;
    }
    return fs::path();
  };
  if (fs::is_directory(path / "train")) {
    return split == Split::kTrain ? path / "train" : test_split(path);
  }
  if (split == Split::kTrain) return path;
  const fs::path plain = path.has_filename() ? path : path.parent_path();
  return plain.filename() == "train" ? test_split(plain.parent_path()) : fs::path();
}

}  // namespace rela
