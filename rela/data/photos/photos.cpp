#include "rela/data/photos/photos.h"

#include "rela/data/photos/image_folder.h"
#include "rela/data/photos/pack_file.h"
#include "rela/data/photos/tar_shards.h"
#include "runtime/error.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

/// Where the images of a split are. Empty: there is none.
std::vector<fs::path> split_paths(const DatasetSource& source) {
  const fs::path& path = source.path;
  if (source.format == DataFormat::kTar) {
    return find_tars(path, source.split, source.path_is_split);
  }
  if (source.format == DataFormat::kPacked) {
    if (!fs::is_directory(path)) {
      const bool has_it = source.path_is_split || source.split == Split::kTrain;
      return has_it ? std::vector{path} : std::vector<fs::path>{};
    }
    const fs::path file = path / (source.split == Split::kTrain ? "train.pack" : "val.pack");
    return fs::exists(file) ? std::vector{file} : std::vector<fs::path>{};
  }
  // A folder that is named for these images holds them, unless it holds both splits.
  const bool is_it = source.path_is_split && !fs::is_directory(path / "train");
  const fs::path folder = is_it ? path : split_folder(path, source.split);
  return folder.empty() ? std::vector<fs::path>{} : std::vector{folder};
}

/// An index, and what reads the images it lists.
struct Photos {
  PhotoIndex index;
  std::unique_ptr<PhotoBytes> bytes;
};

Photos list_photos(DataFormat format, const std::vector<fs::path>& paths) {
  if (format == DataFormat::kPacked) {
    PackedPhotos packed = open_pack(paths.front().string());
    packed.index.watched.add(fs::absolute(paths.front()).string());
    packed.index.watched_stamps.push_back(file_stamp(paths.front()));
    return {std::move(packed.index), std::move(packed.bytes)};
  }
  PhotoIndex index =
      format == DataFormat::kTar ? list_tars(paths) : list_image_folder(paths.front());
  return {std::move(index), nullptr};
}

std::unique_ptr<PhotoBytes> open_bytes(DataFormat format, const std::vector<fs::path>& paths,
                                       const PhotoIndex& index) {
  if (format == DataFormat::kImageFolder) return bytes_of_files(paths.front());
  if (format == DataFormat::kTar) return bytes_in_files(index);
  return open_pack(paths.front().string()).bytes;
}

}  // namespace

bool has_photo_split(const DatasetSource& source) { return !split_paths(source).empty(); }

std::unique_ptr<PhotoDataset> open_photos(const DatasetSource& source) {
  const std::vector<fs::path> paths = split_paths(source);
  RELA_CHECK(!paths.empty(), DataError, source.path.string(), ": no ", split_name(source.split),
             " split in here",
             source.split == Split::kTest ? "; name it by data.val_path or --test-data"
                                          : "; name the training images");
  const std::string where = paths.size() == 1 ? paths.front().string() : source.path.string();
  const bool check = source.bad_images.policy == BadImages::kSkip;
  std::string what = cat(static_cast<int>(source.format), check ? ", checked" : "");
  for (const fs::path& path : paths)
    what += cat('\n', fs::absolute(path).lexically_normal().string());
  const auto make = [&] {
    Photos photos = list_photos(source.format, paths);
    if (!check) return std::move(photos.index);
    if (!photos.bytes) photos.bytes = open_bytes(source.format, paths, photos.index);
    leave_out_bad_images(photos.index, *photos.bytes, where);
    return std::move(photos.index);
  };
  // A packed file has its own index.
  const bool is_cached = check || source.format != DataFormat::kPacked;
  PhotoIndex index = cached_index({.folder = is_cached ? source.cache_folder : "",
                                   .what = std::move(what),
                                   .root = paths.front()},
                                  make);
  const int64_t bad = index.left_out.size();
  check_bad_share(bad, index.size() + bad, index.left_out.to_strings(), where,
                  source.bad_images.max_fraction);
  std::unique_ptr<PhotoBytes> bytes = open_bytes(source.format, paths, index);
  return std::make_unique<PhotoDataset>(std::move(index), std::move(bytes), where,
                                        source.bad_images);
}

}  // namespace rela
