#include <algorithm>
#include <cmath>

#include "kernels/augment/resize.h"

namespace rela {
namespace {

double scale_of(const ResizeAxis& axis) {
  return static_cast<double>(axis.size) / static_cast<double>(axis.full_size);
}

/// Source pixels that one output pixel can depend on.
int64_t taps_of(const ResizeAxis& axis) {
  const double support = std::max(scale_of(axis), 1.0);
  return std::min<int64_t>(static_cast<int64_t>(std::ceil(2 * support)), axis.size);
}

/// Weights of every output pixel, all with the same number of taps so that loops have no tails.
struct WeightTable {
  int64_t taps;
  int32_t* first;  // [out_size], source pixel of tap 0, counted from axis.begin
  float* weight;   // [taps, out_size], each column sums to `total`
};

struct WeightSpec {
  float total;    // sum of the weights of one output pixel
  Mirror mirror;  // order of the output pixels
};

void fill_table(const ResizeAxis& axis, const WeightSpec& spec, const WeightTable& table) {
  const double scale = scale_of(axis);
  const double support = std::max(scale, 1.0);
  for (int64_t o = 0; o < axis.out_size; ++o) {
    const double center = scale * (static_cast<double>(axis.out_begin + o) + 0.5);
    const auto lowest = static_cast<int64_t>(std::max(center - support + 0.5, 0.0));
    const int64_t first = std::min(lowest, axis.size - table.taps);
    const int64_t column = spec.mirror == Mirror::kNo ? o : axis.out_size - 1 - o;
    float* weight = table.weight + column;
    double sum = 0;
    for (int64_t t = 0; t < table.taps; ++t) {
      const double distance = std::abs(static_cast<double>(first + t) + 0.5 - center);
      const double w = std::max(0.0, 1.0 - distance / support);
      weight[t * axis.out_size] = static_cast<float>(w);
      sum += w;
    }
    const auto normalise = static_cast<float>(spec.total / sum);
    for (int64_t t = 0; t < table.taps; ++t) weight[t * axis.out_size] *= normalise;
    table.first[column] = static_cast<int32_t>(first);
  }
}

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

/// Hands out consecutive pieces of the workspace, 64-byte aligned.
class Carver {
 public:
  explicit Carver(Workspace workspace) : next_(static_cast<char*>(workspace.data)) {}
  template <class T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(next_);
    next_ += bytes(count);
    return piece;
  }
  static size_t bytes(int64_t count) { return (static_cast<size_t>(count) * 4 + 63) / 64 * 64; }

 private:
  char* next_;
};

WeightTable carve_table(const ResizeAxis& axis, Carver& carver) {
  const int64_t taps = taps_of(axis);
  int32_t* first = carver.take<int32_t>(axis.out_size);
  return {taps, first, carver.take<float>(taps * axis.out_size)};
}

size_t table_bytes(const ResizeAxis& axis) {
  return Carver::bytes(axis.out_size) + Carver::bytes(taps_of(axis) * axis.out_size);
}

}  // namespace

ResizeArgs crop_resize_args(const CropRect& crop, int64_t size, Mirror mirror) {
  return {{crop.top, crop.height, size, 0, size}, {crop.left, crop.width, size, 0, size}, mirror};
}

ResizeArgs center_resize_args(ImageDims image, int64_t shorter_side, int64_t size) {
  const int64_t shorter = std::min(image.height, image.width);
  const int64_t height = image.height * shorter_side / shorter;
  const int64_t width = image.width * shorter_side / shorter;
  // Half pixels round to even, as in torchvision's centre crop.
  const auto offset = [size](int64_t full) {
    return std::lrint(static_cast<double>(full - size) / 2);
  };
  return {{0, image.height, height, offset(height), size},
          {0, image.width, width, offset(width), size},
          Mirror::kNo};
}

size_t resize_workspace_bytes(const ResizeArgs& args) {
  return table_bytes(args.vertical) + table_bytes(args.horizontal) +
         Carver::bytes(3 * args.horizontal.size);
}

void resize_cpu(const ImageView& image, const ResizeArgs& args, float* out, Workspace workspace) {
  const ResizeAxis& v = args.vertical;
  const ResizeAxis& h = args.horizontal;
  Carver carver(workspace);
  const WeightTable vertical = carve_table(v, carver);
  const WeightTable horizontal = carve_table(h, carver);
  float* row = carver.take<float>(3 * h.size);  // [h.size, 3]
  fill_table(v, {1.0f / 255.0f, Mirror::kNo}, vertical);
  fill_table(h, {1.0f, args.mirror}, horizontal);
  for (int64_t x = 0; x < h.out_size; ++x) horizontal.first[x] *= 3;

  const int64_t stride = 3 * image.dims.width;
  const int64_t plane = v.out_size * h.out_size;
  for (int64_t y = 0; y < v.out_size; ++y) {
    const uint8_t* pixels = image.pixels + (v.begin + vertical.first[y]) * stride + 3 * h.begin;
    blend_rows({pixels, stride, vertical.weight + y, v.out_size, vertical.taps}, row, 3 * h.size);
    for (int64_t c = 0; c < 3; ++c) {
      gather_row(row + c, horizontal, out + c * plane + y * h.out_size, h.out_size);
    }
  }
}

}  // namespace rela
