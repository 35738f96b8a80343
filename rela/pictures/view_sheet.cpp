#include "rela/pictures/view_sheet.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "rela/data/images/resized.h"
#include "rela/pictures/font.h"
#include "rela/report/palette.h"
#include "runtime/error.h"

namespace rela {
namespace {

constexpr int64_t kMargin = 16;
constexpr int64_t kGap = 4;
constexpr int64_t kGroupGap = 20;
constexpr int64_t kSmallestSide = 96;  // of a drawn picture: smaller ones are magnified
constexpr int64_t kLargestSide = 224;
constexpr int64_t kGroups = 3;  // columns of three pictures beside each other
constexpr int64_t kHead = kGlyphHeight + 7;

/// A view's pixels, back to bytes.
std::vector<uint8_t> bytes_of(const float* view, int64_t pixels, const Normalization& n) {
  std::vector<uint8_t> bytes(static_cast<size_t>(3 * pixels));
  for (size_t i = 0; i < bytes.size(); ++i) {
    const float value = 255 * (view[i] * n.std[i % 3] + n.mean[i % 3]);
    bytes[i] = static_cast<uint8_t>(std::clamp(std::lround(value), 0L, 255L));
  }
  return bytes;
}

/// Its longer side `side` long.
ImageDims fitted(ImageDims image, int64_t side) {
  const int64_t longer = std::max(image.height, image.width);
  return {std::max<int64_t>(image.height * side / longer, 1),
          std::max<int64_t>(image.width * side / longer, 1)};
}

int64_t drawn_side(int64_t view_size) {
  const int64_t magnified = (kSmallestSide + view_size - 1) / view_size * view_size;
  return std::min(magnified, kLargestSide);
}

}  // namespace

Canvas draw_view_sheet(const ImageDataset& dataset, LoaderOptions options, int64_t images) {
  RELA_CHECK(images >= 1 && images <= dataset.size(), ConfigError, "--preview: ", images,
             " images; 1 to ", dataset.size(), " are allowed, as many as the data set has");
  options.batch_size = images;
  options.ratio = 1;
  options.dtype = Dtype::kF32;
  TwoViewLoader loader(dataset, options);
  const TwoViewBatch& batch = loader.next();
  const int64_t size = options.views[0].crop_size;
  const int64_t side = drawn_side(size);
  const int64_t groups = std::min(kGroups, images);
  const int64_t rows = (images + groups - 1) / groups;
  const int64_t group_width = 3 * side + 2 * kGap;
  const Palette& palette = light_palette();
  Canvas canvas(2 * kMargin + groups * (group_width + kGroupGap) - kGroupGap,
                2 * kMargin + kHead + rows * (side + kGap) - kGap, rgb(palette.card));
  std::vector<uint8_t> buffer;
  for (int64_t i = 0; i < images; ++i) {
    const int64_t left = kMargin + i % groups * (group_width + kGroupGap);
    const int64_t top = kMargin + kHead + i / groups * (side + kGap);
    const auto box = [&](int64_t column) {
      return Box{left + column * (side + kGap), top, side, side};
    };
    const ImageView image = dataset.image(batch.samples.data<int64_t>()[i], buffer);
    if (dataset.has_many_sizes()) {
      const ImageDims dims = fitted(image.dims, side);
      const std::vector<uint8_t> bytes = resized_bytes(image, dims);
      canvas.image(box(0), {bytes.data(), dims});
    } else {
      canvas.image(box(0), image);
    }
    for (int64_t view = 0; view < 2; ++view) {
      const float* pixels = batch.images.data<float>() + (view * images + i) * size * size * 3;
      const std::vector<uint8_t> bytes = bytes_of(pixels, size * size, options.normalization);
      canvas.image(box(1 + view), {bytes.data(), {size, size}});
    }
    if (i >= groups) continue;
    const char* heads[] = {"image", "view 1", "view 2"};
    for (int64_t column = 0; column < 3; ++column) {
      canvas.text(box(column).x, kMargin, fitting_text(heads[column], side), rgb(palette.soft));
    }
  }
  return canvas;
}

}  // namespace rela
