#include "rela/data/photos/packing.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>

#include "kernels/cpu/parallel.h"
#include "rela/data/images/decode.h"
#include "rela/data/images/encode.h"
#include "rela/data/images/resized.h"
#include "rela/data/photos/pack_file.h"
#include "runtime/error.h"

namespace rela {
namespace {

constexpr int64_t kAtATime = 256;  // images that are prepared before they are written

struct Prepared {
  std::vector<uint8_t> bytes;
  bool is_shrunk = false;
  std::exception_ptr failure;
};

/// The whole image, its shorter side shrunk to `size`.
std::vector<uint8_t> shrink(const ImageView& image, int64_t size, int quality) {
  const int64_t shorter = std::min(image.dims.height, image.dims.width);
  const auto side = [&](int64_t length) {
    const double exact = static_cast<double>(length * size) / static_cast<double>(shorter);
    return std::max<int64_t>(std::llround(exact), 1);
  };
  const ImageDims dims{side(image.dims.height), side(image.dims.width)};
  const std::vector<uint8_t> rgb = resized_bytes(image, dims);
  return encode_jpeg({rgb.data(), dims}, quality);
}

void prepare(const PhotoDataset& set, int64_t index, const PackOptions& options, Prepared& out) {
  std::vector<uint8_t> encoded, pixels;
  try {
    const auto bytes = set.encoded(index, encoded);
    const DecodedImage image = decode_image(bytes, pixels);
    const int64_t shorter = std::min(image.full.height, image.full.width);
    out.is_shrunk = options.size > 0 && shorter > options.size;
    if (out.is_shrunk) {
      out.bytes = shrink(image.pixels, options.size, options.quality);
    } else {
      out.bytes.assign(bytes.begin(), bytes.end());
    }
  } catch (const DataError& e) {
    out.failure = std::make_exception_ptr(
        DataError(cat(set.name_of(index), ": ", e.what(), "; mend it, or pack with --skip-bad")));
  } catch (...) {
    out.failure = std::current_exception();
  }
}

}  // namespace

PackResult write_pack(const PhotoDataset& set, const std::string& path,
                      const PackOptions& options) {
  PackWriter writer(path, set.index().classes);
  PackResult result{.images = set.size()};
  for (int64_t begin = 0; begin < set.size(); begin += kAtATime) {
    const int64_t count = std::min(kAtATime, set.size() - begin);
    std::vector<Prepared> prepared(static_cast<size_t>(count));
    std::atomic<int64_t> next = 0;
    parallel_for(cpu_threads(), [&](int64_t) {
      for (int64_t i = next++; i < count; i = next++) {
        prepare(set, begin + i, options, prepared[static_cast<size_t>(i)]);
      }
    });
    for (int64_t i = 0; i < count; ++i) {
      const Prepared& image = prepared[static_cast<size_t>(i)];
      if (image.failure) std::rethrow_exception(image.failure);
      writer.add(set.index().names[begin + i], set.label(begin + i), image.bytes);
      result.shrunk += image.is_shrunk ? 1 : 0;
      result.bytes += static_cast<int64_t>(image.bytes.size());
    }
    options.progress(begin + count, set.size());
  }
  writer.commit();
  return result;
}

std::vector<std::string> verify_images(const PhotoDataset& set,
                                       const std::function<void(int64_t, int64_t)>& progress) {
  std::vector<std::string> reasons(static_cast<size_t>(set.size()));
  for (int64_t begin = 0; begin < set.size(); begin += kAtATime) {
    const int64_t end = std::min(begin + kAtATime, set.size());
    std::atomic<int64_t> next = begin;
    parallel_for(cpu_threads(), [&](int64_t) {
      std::vector<uint8_t> encoded, pixels;
      for (int64_t i = next++; i < end; i = next++) {
        try {
          decode_image(set.encoded(i, encoded), pixels);
        } catch (const std::exception& e) {
          const std::string name = set.name_of(i), reason = e.what();
          reasons[static_cast<size_t>(i)] =
              reason.starts_with(name) ? reason : cat(name, ": ", reason);
        }
      }
    });
    progress(end, set.size());
  }
  std::erase(reasons, "");
  return reasons;
}

}  // namespace rela
