#include "rela/data/cifar.h"

#include <limits>
#include <sstream>

#include "rela/data/memory_dataset.h"
#include "runtime/error.h"
#include "runtime/io/file.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSide = 32;
constexpr int64_t kPlane = kSide * kSide;

struct Layout {
  const char* set;      // for messages
  int64_t label_bytes;  // the last one is used
  int64_t num_classes;
  const char* names_file;

  int64_t record_bytes() const { return label_bytes + 3 * kPlane; }
};
constexpr Layout kCifar10{"CIFAR-10", 1, 10, "batches.meta.txt"};
constexpr Layout kCifar100{"CIFAR-100", 2, 100, "fine_label_names.txt"};

std::vector<std::string> class_names(const fs::path& folder, const Layout& layout) {
  std::vector<std::string> names;
  const fs::path file = folder / layout.names_file;
  if (fs::exists(file)) {
    std::istringstream lines(read_text_file(file.string()));
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) names.push_back(line);
    }
  }
  if (static_cast<int64_t>(names.size()) == layout.num_classes) return names;
  names.clear();
  for (int64_t c = 0; c < layout.num_classes; ++c) names.push_back("class " + std::to_string(c));
  return names;
}

void append_record(const uint8_t* record, const Layout& layout, MemoryImages& images) {
  images.labels.push_back(record[layout.label_bytes - 1]);
  const uint8_t* planes = record + layout.label_bytes;
  const size_t begin = images.pixels.size();
  images.pixels.resize(begin + 3 * kPlane);
  uint8_t* pixels = images.pixels.data() + begin;
  for (int64_t p = 0; p < kPlane; ++p) {
    for (int64_t c = 0; c < 3; ++c) pixels[3 * p + c] = planes[c * kPlane + p];
  }
}

void check_size(const fs::path& path, const Layout& layout, int64_t size) {
  const int64_t record = layout.record_bytes();
  RELA_CHECK(size > 0, DataError, path.string(), ": the file is empty; ", layout.set,
             " records have ", record, " bytes");
  RELA_CHECK(size % record == 0, DataError, path.string(), ": ", size, " bytes are ", size / record,
             " whole records of ", record, " bytes and ", size % record, " more from offset ",
             size - size % record, "; the file is truncated or padded, fetch it again");
}

void append_file(const fs::path& path, const Layout& layout, MemoryImages& images) {
  constexpr int64_t kAnySize = std::numeric_limits<int64_t>::max();  // its images stay in memory
  const std::string bytes = read_file(path.string(), kAnySize);
  const auto size = static_cast<int64_t>(bytes.size());
  check_size(path, layout, size);  // it may have been another when it was looked at
  for (int64_t at = 0; at < size; at += layout.record_bytes()) {
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data()) + at;
    const int64_t label = data[layout.label_bytes - 1];
    RELA_CHECK(label < layout.num_classes, DataError, path.string(), ": label ", label,
               " at offset ", at + layout.label_bytes - 1, "; ", layout.set, " labels are 0 to ",
               layout.num_classes - 1);
    append_record(data, layout, images);
  }
}

std::unique_ptr<ImageDataset> read_files(const fs::path& folder, const std::vector<fs::path>& files,
                                         const Layout& layout) {
  MemoryImages images;
  images.dims = {kSide, kSide};
  images.class_names = class_names(folder, layout);
  uintmax_t bytes = 0;
  for (const fs::path& file : files) {  // before any is read: they may be large
    const uintmax_t size = fs::file_size(file);
    check_size(file, layout, static_cast<int64_t>(size));
    bytes += size;
  }
  images.pixels.reserve(bytes);
  for (const fs::path& file : files) append_file(file, layout, images);
  return std::make_unique<MemoryDataset>(std::move(images));
}

void require(bool found, const fs::path& folder, const std::string& wanted, const Layout& layout) {
  RELA_CHECK(fs::exists(folder), DataError, folder.string(),
             ": no such folder; name the one that holds the binary version of ", layout.set);
  RELA_CHECK(found, DataError, folder.string(), ": no ", wanted,
             " here; name the folder that holds the binary version of ", layout.set);
}

}  // namespace

std::unique_ptr<ImageDataset> open_cifar10(const fs::path& folder, Split split) {
  std::vector<fs::path> files;
  if (split == Split::kTest) {
    files.push_back(folder / "test_batch.bin");
    require(fs::is_regular_file(files[0]), folder, "test_batch.bin", kCifar10);
    return read_files(folder, files, kCifar10);
  }
  std::error_code failure;
  int64_t batches = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failure)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("data_batch_") && name.ends_with(".bin")) ++batches;
  }
  require(batches > 0, folder, "data_batch_1.bin ... data_batch_5.bin", kCifar10);
  for (int64_t i = 1; i <= batches; ++i) {  // a batch that a download lost must not go unnoticed
    const std::string name = "data_batch_" + std::to_string(i) + ".bin";
    require(fs::is_regular_file(folder / name), folder, name, kCifar10);
    files.push_back(folder / name);
  }
  return read_files(folder, files, kCifar10);
}

std::unique_ptr<ImageDataset> open_cifar100(const fs::path& folder, Split split) {
  const char* name = split == Split::kTest ? "test.bin" : "train.bin";
  require(fs::is_regular_file(folder / name), folder, name, kCifar100);
  return read_files(folder, {folder / name}, kCifar100);
}

}  // namespace rela
