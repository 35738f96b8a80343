#include <algorithm>
#include <cmath>

#include "kernels/augment/resize.h"
#include "kernels/augment/resize_weights.h"

namespace rela {
namespace {

/// row[i] = sum_t weight[t] * pixels[t * stride + i]
struct RowArgs {
  const uint8_t* pixels;
  int64_t stride;       // bytes from one source row to the next
  const float* weight;  // tap t at weight[t * weight_stride]
  int64_t weight_stride;
  int64_t taps;
};

void blend_rows(const RowArgs& a, float* __restrict row, int64_t n) {
  if (a.taps == 2) {  // every view that is larger than its crop
    const float w0 = a.weight[0];
    const float w1 = a.weight[a.weight_stride];
    const uint8_t* p0 = a.pixels;
    const uint8_t* p1 = a.pixels + a.stride;
    for (int64_t i = 0; i < n; ++i) {
      row[i] = w0 * static_cast<float>(p0[i]) + w1 * static_cast<float>(p1[i]);
    }
    return;
  }
  std::fill_n(row, n, 0.0f);
  for (int64_t t = 0; t < a.taps; ++t) {
    const float w = a.weight[t * a.weight_stride];
    const uint8_t* p = a.pixels + t * a.stride;
    for (int64_t i = 0; i < n; ++i) row[i] += w * static_cast<float>(p[i]);
  }
}

/// out[x] = sum_t weight[t, x] * row[3 * (first[x] + t)], `row` points at the channel to read.
void gather_row(const float* __restrict row, const WeightTable& table, float* __restrict out,
                int64_t n) {
  const int32_t* __restrict first = table.first;  // already multiplied by 3
  const float* __restrict w0 = table.weight;
  if (table.taps == 2) {
    const float* __restrict w1 = table.weight + n;
    for (int64_t x = 0; x < n; ++x) out[x] = w0[x] * row[first[x]] + w1[x] * row[first[x] + 3];
    return;
  }
  for (int64_t x = 0; x < n; ++x) out[x] = w0[x] * row[first[x]];
  for (int64_t t = 1; t < table.taps; ++t) {
    const float* __restrict w = table.weight + t * n;
    const float* __restrict source = row + 3 * t;
    for (int64_t x = 0; x < n; ++x) out[x] += w[x] * source[first[x]];
  }
}

/// Weights [taps, out_size].
WeightTable carve_table(const ResizeAxis& axis, ResizeFilter filter, Carver& carver) {
  const int64_t taps = taps_of(axis, filter);
  int32_t* first = carver.take<int32_t>(axis.out_size);
  return {taps, first, carver.take<float>(taps * axis.out_size), axis.out_size, 1};
}

size_t table_bytes(const ResizeAxis& axis, ResizeFilter filter) {
  return Carver::bytes(axis.out_size) + Carver::bytes(taps_of(axis, filter) * axis.out_size);
}

}  // namespace

ResizeArgs crop_resize_args(const CropRect& crop, int64_t size, Mirror mirror, double scale) {
  const auto axis = [&](int64_t begin, int64_t length) {
    return ResizeAxis{scale * static_cast<double>(begin), scale * static_cast<double>(length), size,
                      0, size};
  };
  return {axis(crop.top, crop.height), axis(crop.left, crop.width), mirror};
}

ResizeArgs center_resize_args(ImageDims image, int64_t shorter_side, int64_t size) {
  const int64_t shorter = std::min(image.height, image.width);
  const int64_t height = image.height * shorter_side / shorter;
  const int64_t width = image.width * shorter_side / shorter;
  // Half pixels round to even, as in torchvision's centre crop.
  const auto offset = [size](int64_t full) {
    return std::lrint(static_cast<double>(full - size) / 2);
  };
  return {{0, static_cast<double>(image.height), height, offset(height), size},
          {0, static_cast<double>(image.width), width, offset(width), size}};
}

size_t resize_workspace_bytes(const ResizeArgs& args) {
  if (args.rounding == ResizeRounding::kBytes) return resize_bytes_workspace_bytes(args);
  return table_bytes(args.vertical, args.filter) + table_bytes(args.horizontal, args.filter) +
         Carver::bytes(3 * source_range(args.horizontal).size);
}

void planes_to_bytes_cpu(const float* planes, uint8_t* bytes, int64_t pixels) {
  const float* __restrict r = planes;
  const float* __restrict g = planes + pixels;
  const float* __restrict b = planes + 2 * pixels;
  const auto byte = [](float x) {
    return static_cast<uint8_t>(static_cast<int>(std::nearbyint(255 * x)));
  };
  for (int64_t p = 0; p < pixels; ++p) {
    bytes[3 * p + 0] = byte(r[p]);
    bytes[3 * p + 1] = byte(g[p]);
    bytes[3 * p + 2] = byte(b[p]);
  }
}

void resize_cpu(const ImageView& image, const ResizeArgs& args, float* out, Workspace workspace) {
  if (args.rounding == ResizeRounding::kBytes) {
    resize_bytes_cpu(image, args, out, workspace);
    return;
  }
  const ResizeAxis& v = args.vertical;
  const ResizeAxis& h = args.horizontal;
  const PixelRange columns = source_range(h);
  Carver carver(workspace);
  const WeightTable vertical = carve_table(v, args.filter, carver);
  const WeightTable horizontal = carve_table(h, args.filter, carver);
  float* row = carver.take<float>(3 * columns.size);  // [columns.size, 3]
  fill_weights(v, {args.filter, 1.0f / 255.0f, Mirror::kNo}, vertical);
  fill_weights(h, {args.filter, 1.0f, args.mirror}, horizontal);
  for (int64_t x = 0; x < h.out_size; ++x) horizontal.first[x] *= 3;

  const int64_t stride = 3 * image.dims.width;
  const int64_t plane = v.out_size * h.out_size;
  const uint8_t* corner = image.pixels + source_range(v).begin * stride + 3 * columns.begin;
  for (int64_t y = 0; y < v.out_size; ++y) {
    const uint8_t* pixels = corner + vertical.first[y] * stride;
    blend_rows({pixels, stride, vertical.weight + y, v.out_size, vertical.taps}, row,
               3 * columns.size);
    for (int64_t c = 0; c < 3; ++c) {
      gather_row(row + c, horizontal, out + c * plane + y * h.out_size, h.out_size);
    }
  }
}

}  // namespace rela
