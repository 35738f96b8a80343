#include "rela/data/idx_folder.h"

#include <optional>
#include <regex>
#include <set>

#include "runtime/error.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsualNames =
    "train-images-idx3-ubyte, t10k-images-idx3-ubyte or emnist-<name>-train-images-idx3-ubyte, "
    "each also with .gz";

struct ImagesName {
  std::string set;
  Split split;
};

/// What the name of an images file says; nothing for any other file.
std::optional<ImagesName> parse_images_name(const fs::path& file) {
  static const std::regex pattern("(|.*-)(train|t10k|test)-images[-.]idx3-ubyte(\\.gz)?");
  std::smatch match;
  const std::string name = file.filename().string();
  if (!std::regex_match(name, match, pattern)) return std::nullopt;
  return ImagesName{match[1], match[2] == "train" ? Split::kTrain : Split::kTest};
}

/// A set's file of a split: `what` is "images-idx3" or "labels-idx1". Empty when there is none.
fs::path file_of(const fs::path& folder, const std::string& set, Split split,
                 const std::string& what) {
  std::string dotted = what;
  dotted[what.find('-')] = '.';
  using Names = std::vector<const char*>;
  for (const char* name : split == Split::kTrain ? Names{"train-"} : Names{"t10k-", "test-"}) {
    for (const std::string& kind : {what, dotted}) {
      for (const char* ending : {"-ubyte", "-ubyte.gz"}) {
        fs::path file = folder / cat(set, name, kind, ending);
        if (fs::is_regular_file(file)) return file;
      }
    }
  }
  return {};
}

/// The one set that a folder holds.
std::string set_in(const fs::path& folder) {
  std::set<std::string> sets;
  std::set<std::string> names;
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failure)) {
    const std::optional<ImagesName> name = parse_images_name(entry.path());
    if (!name) continue;
    sets.insert(name->set);
    names.insert(entry.path().filename().string());
  }
  RELA_CHECK(!failure, IoError, folder.string(), ": cannot list this folder (", failure.message(),
             ")");
  RELA_CHECK(!sets.empty(), DataError, folder.string(),
             ": no images in IDX form here; name the folder of ", kUsualNames);
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  RELA_CHECK(sets.size() == 1, DataError, folder.string(), ": images of ", sets.size(),
             " data sets (", list, "); name one of these files instead of the folder");
  return *sets.begin();
}

}  // namespace

IdxFiles find_idx_files(const fs::path& path, Split split) {
  fs::path folder = path;
  IdxFiles files;
  if (fs::is_directory(path)) {
    files.set = set_in(path);
  } else {
    RELA_CHECK(fs::exists(path), DataError, path.string(),
               ": no such file or folder; name the folder of ", kUsualNames);
    const std::optional<ImagesName> name = parse_images_name(path);
    RELA_CHECK(name.has_value(), DataError, path.string(),
               ": not the name of a file of images in IDX form; such are ", kUsualNames);
    RELA_CHECK(name->split == split || split == Split::kTest, DataError, path.string(),
               ": the images of the test split; name the training images or the folder");
    folder = path.has_parent_path() ? path.parent_path() : ".";
    files.set = name->set;
  }
  const char* prefix = split == Split::kTrain ? "train" : files.set.empty() ? "t10k" : "test";
  files.images = file_of(folder, files.set, split, "images-idx3");
  RELA_CHECK(!files.images.empty(), DataError, folder.string(), ": no ", files.set, prefix,
             "-images-idx3-ubyte here, nor with .gz; put the ", split_name(split),
             " images beside the others");
  files.labels = file_of(folder, files.set, split, "labels-idx1");
  RELA_CHECK(!files.labels.empty(), DataError, files.images.string(), ": no labels beside it; put ",
             files.set, prefix, "-labels-idx1-ubyte there, or with .gz");
  files.other_labels = file_of(
      folder, files.set, split == Split::kTrain ? Split::kTest : Split::kTrain, "labels-idx1");
  return files;
}

}  // namespace rela
