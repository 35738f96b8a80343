#include "runtime/io/torch_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/io/quoted.h"
#include "runtime/io/zip_archive.h"

namespace rela {
namespace {

using namespace std::string_view_literals;

/// 0x1950a86a20f9469cfc6c, as a pickle holds it.
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;

int64_t bytes_of(WireDtype dtype) { return wire_dtype_bits(dtype) / 8; }

/// The number of elements. Throws WeightsError for shapes that do not fit any storage.
int64_t checked_numel(const std::string& what, const PickleTensor& view, int64_t elements) {
  RELA_CHECK(view.shape.size() == view.strides.size() && view.shape.size() <= Shape::kMaxRank,
             WeightsError, what, view.shape.size(), " sizes and ", view.strides.size(),
             " strides; as many of both, at most ", Shape::kMaxRank, ", are accepted");
  int64_t numel = 1;
  for (const int64_t size : view.shape) {
    const bool fits = size >= 0 && !__builtin_mul_overflow(numel, size, &numel);
    RELA_CHECK(fits, WeightsError, what, "a size of ", size, " does not fit; it is damaged");
  }
  RELA_CHECK(numel <= elements, WeightsError, what, numel, " elements of a storage of ", elements,
             "; repeated elements are not read: save the tensor's clone()");
  return numel;
}

/// All elements must be inside of the storage.
void check_bounds(const std::string& what, const PickleTensor& view, int64_t elements) {
  int64_t last = view.offset;
  bool fits = view.offset >= 0;
  for (size_t i = 0; i < view.shape.size(); ++i) {
    int64_t step = 0;
    fits = fits && view.strides[i] >= 0 &&
           !__builtin_mul_overflow(view.shape[i] - 1, view.strides[i], &step) &&
           !__builtin_add_overflow(last, step, &last);
  }
  RELA_CHECK(fits && last < elements, WeightsError, what,
             "reaches beyond its storage; the file is damaged");
}

bool is_c_order(const PickleTensor& view) {
  int64_t expected = 1;
  for (size_t i = view.shape.size(); i-- > 0;) {
    if (view.shape[i] != 1 && view.strides[i] != expected) return false;
    expected *= view.shape[i];
  }
  return true;
}

/// Walks over elements in C order, giving their places in the storage.
class Strided {
 public:
  Strided(const Shape& shape, const std::vector<int64_t>& strides, int64_t element)
      : shape_(shape), strides_(strides), index_(strides.size()) {
    for (size_t i = index_.size(); i-- > 0;) {
      index_[i] = element % shape_.dims()[i];
      element /= shape_.dims()[i];
      place_ += index_[i] * strides_[i];
    }
  }

  int64_t place() const { return place_; }
  void advance() {
    for (size_t i = index_.size(); i-- > 0;) {
      place_ += strides_[i];
      if (++index_[i] < shape_.dims()[i]) return;
      place_ -= index_[i] * strides_[i];
      index_[i] = 0;
    }
  }

 private:
  const Shape& shape_;
  const std::vector<int64_t>& strides_;
  std::vector<int64_t> index_;
  int64_t place_ = 0;
};

/// The places of `count` elements, from `first`.
std::vector<int64_t> places_of(const Shape& shape, const std::vector<int64_t>& strides,
                               int64_t first, int64_t count) {
  std::vector<int64_t> places;
  places.reserve(static_cast<size_t>(count));
  for (Strided at(shape, strides, first); count > 0; --count, at.advance())
    places.push_back(at.place());
  return places;
}

TorchContents read_contents(const InputFile& file) {
  std::string start(static_cast<size_t>(std::min<int64_t>(file.size(), 4)), '\0');
  file.read_at(0, start.data(), static_cast<int64_t>(start.size()));
  return is_zip(start) ? read_torch_archive(file) : read_torch_pickles(file);
}

}  // namespace

bool is_torch_file(std::string_view start) {
  constexpr size_t kMagicEnds = 32;  // it is the first value of the first pickle
  return is_zip(start) || (start.starts_with('\x80') &&
                           start.substr(0, kMagicEnds).find(kMagic) != std::string_view::npos);
}

TorchFile::TorchFile(std::string path) : WeightsFile(path), file_(std::move(path)) {
  try {
    TorchContents contents = read_contents(file_);
    format_ = contents.format;
    storages_ = std::move(contents.storages);
    std::vector<WeightsEntry> entries;
    for (const NamedTorchTensor& tensor : tensors_in(contents.pickle)) add(tensor, entries);
    set_entries(std::move(entries));
  } catch (const PickleError& error) {
    throw WeightsError(cat(file_.path(), ": ", error.what()));
  }
}

void TorchFile::add(const NamedTorchTensor& tensor, std::vector<WeightsEntry>& entries) {
  const std::string what = cat(file_.path(), ": tensor ", quoted(tensor.name), ": ");
  const auto& [dtype, key, elements] = tensor.storage;
  const int64_t element = bytes_of(dtype);
  const auto found = storages_.find(key);
  RELA_CHECK(found != storages_.end(), WeightsError, what, "its storage ", quoted(key),
             " is not in the file, which is damaged");
  const int64_t there = found->second.bytes;
  RELA_CHECK(elements >= 0 && elements == there / element, WeightsError, what, "its storage ",
             quoted(key), " has ", there, " bytes, which are not ", elements, " elements of ",
             element, " bytes; the file is damaged");
  const int64_t numel = checked_numel(what, tensor.view, elements);
  if (numel > 0) check_bounds(what, tensor.view, elements);
  entries.push_back(
      {.name = tensor.name,
       .dtype = dtype,
       .shape = Shape(tensor.view.shape),
       .offset = found->second.offset + (numel > 0 ? tensor.view.offset * element : 0),
       .bytes = numel * element});
  views_.push_back({.storage = &found->second,
                    .first = numel > 0 ? tensor.view.offset : 0,
                    .strides = tensor.view.strides,
                    .is_contiguous = numel == 0 || is_c_order(tensor.view)});
}

void TorchFile::read_bytes(size_t index, int64_t first, int64_t bytes, void* out) const {
  const WeightsEntry& entry = entries()[index];
  const View& view = views_[index];
  const int64_t element = bytes_of(entry.dtype);
  if (bytes == 0) return;
  if (view.is_contiguous) {
    read_storage(*view.storage, view.first * element + first, bytes, out);
    return;
  }
  const std::vector<int64_t> places =
      places_of(entry.shape, view.strides, first / element, bytes / element);
  const auto [low, high] = std::ranges::minmax(places);
  std::vector<char> raw(static_cast<size_t>((high - low + 1) * element));
  read_storage(*view.storage, (view.first + low) * element, static_cast<int64_t>(raw.size()),
               raw.data());
  auto* to = static_cast<char*>(out);
  for (const int64_t place : places) {
    std::memcpy(to, raw.data() + (place - low) * element, static_cast<size_t>(element));
    to += element;
  }
}

void TorchFile::read_storage(const TorchStorage& storage, int64_t first, int64_t bytes,
                             void* out) const {
  if (storage.is_unpacked) {
    std::memcpy(out, storage.unpacked.data() + first, static_cast<size_t>(bytes));
  } else {
    file_.read_at(storage.offset + first, out, bytes);
  }
}

}  // namespace rela
