// Rows first, then columns, each rounded to bytes. Sixteen rows go through the first pass side by
// side: turned by a quarter, a pixel's taps are whole vectors and nothing has to be gathered.

#include <algorithm>
#include <cstring>

#include "kernels/augment/byte_lanes.h"
#include "kernels/augment/resize_weights.h"
#include "kernels/cpu/simd.h"

namespace rela {
namespace {

using U8x16 [[gnu::vector_size(16)]] = uint8_t;
/// A square of 16 x 16 bytes.
struct Tile {
  U8x16 row[16];

  /// Four rounds of interleaving the lower rows with the upper ones.
  [[gnu::always_inline]] void transpose() {
    for (int round = 0; round < 4; ++round) {
      U8x16 next[16];
      for (int i = 0; i < 8; ++i) {
        next[2 * i] = __builtin_shufflevector(row[i], row[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20,
                                              5, 21, 6, 22, 7, 23);
        next[2 * i + 1] = __builtin_shufflevector(row[i], row[i + 8], 8, 24, 9, 25, 10, 26, 11, 27,
                                                  12, 28, 13, 29, 14, 30, 15, 31);
      }
      for (int i = 0; i < 16; ++i) row[i] = next[i];
    }
  }
};

/// What the passes work with.
struct Passes {
  const ImageView& image;
  const ResizeArgs& args;
  PixelRange rows, columns;  // of the source
  WeightTable vertical, horizontal;
  int64_t width;    // of the result, padded to whole vectors
  uint8_t* turned;  // [3 columns, 16]
  uint8_t* middle;  // [rows, 3, width]

  /// Columns [0, 3 columns) of sixteen rows from `row` on; beyond the last row, that one again.
  void turn_rows(int64_t row) const {
    const int64_t bytes = 3 * columns.size;
    const int64_t stride = 3 * image.dims.width;
    const uint8_t* source[16];
    for (int64_t i = 0; i < 16; ++i) {
      const int64_t y = rows.begin + std::min(row + i, rows.size - 1);
      source[i] = image.pixels + y * stride + 3 * columns.begin;
    }
    for (int64_t at = 0; at < bytes; at += 16) {
      const auto count = static_cast<size_t>(std::min<int64_t>(16, bytes - at));
      Tile tile;
      for (int64_t i = 0; i < 16; ++i) {
        if (count == 16) {
          std::memcpy(&tile.row[i], source[i] + at, 16);
        } else {
          tile.row[i] = U8x16{};
          std::memcpy(&tile.row[i], source[i] + at, count);
        }
      }
      tile.transpose();
      std::memcpy(turned + at * 16, tile.row, sizeof tile.row);
    }
  }

  /// Sixteen rows of pixel `x`, channel `c`.
  [[gnu::always_inline]] ByteLanes blend_columns(int64_t x, int64_t c) const {
    const float* weight = horizontal.weight + x * horizontal.pixel_stride;
    const uint8_t* column = turned + (3 * int64_t{horizontal.first[x]} + c) * 16;
    ByteLanes sum = scaled(weight[0], load_bytes(column));
    for (int64_t t = 1; t < horizontal.taps; ++t) {
      sum = add_scaled(weight[t], load_bytes(column + t * 48), sum);
    }
    return round_to_bytes(sum);
  }

  /// The first pass for rows [row, row + 16).
  void blend_rows(int64_t row) const {
    const int64_t out_size = args.horizontal.out_size;
    const int64_t count = std::min<int64_t>(16, rows.size - row);
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t x = 0; x < out_size; x += 16) {
        const int64_t columns_here = std::min<int64_t>(16, out_size - x);
        Tile tile{};
        for (int64_t i = 0; i < columns_here; ++i) {
          store_bytes(reinterpret_cast<uint8_t*>(&tile.row[i]), blend_columns(x + i, c));
        }
        tile.transpose();
        uint8_t* to = middle + (row * 3 + c) * width + x;
        for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * 3 * width, &tile.row[i], 16);
      }
    }
  }

  /// The second pass for one row of one plane.
  void blend_row(int64_t y, int64_t c, float* out) const {
    const float* weight = vertical.weight + y * vertical.pixel_stride;
    const uint8_t* row = middle + ((vertical.first[y] - first_row()) * 3 + c) * width;
    const int64_t out_size = args.horizontal.out_size;
    for (int64_t x = 0; x < out_size; x += 16) {
      ByteLanes sum = scaled(weight[0], load_bytes(row + x));
      for (int64_t t = 1; t < vertical.taps; ++t) {
        sum = add_scaled(weight[t], load_bytes(row + t * 3 * width + x), sum);
      }
      const ByteLanes shares = scaled(1.0f / 255.0f, round_to_bytes(sum));
      if (x + 16 <= out_size) {
        store_floats(out + x, shares);
      } else {
        float last[16];
        store_floats(last, shares);
        std::copy_n(last, out_size - x, out + x);
      }
    }
  }

  /// Of the rows that the first pass made, counted as `first` does.
  int64_t first_row() const { return vertical.first[0]; }
};

WeightTable carve_table(const ResizeAxis& axis, ResizeFilter filter, Carver& carver) {
  const int64_t taps = taps_of(axis, filter);
  auto* first = carver.take<int32_t>(axis.out_size);
  return {taps, first, carver.take<float>(taps * axis.out_size), 1, taps};
}

size_t table_bytes(const ResizeAxis& axis, ResizeFilter filter) {
  return Carver::bytes(axis.out_size) + Carver::bytes(taps_of(axis, filter) * axis.out_size);
}

int64_t turned_bytes(PixelRange columns) { return padded_to_lanes(3 * columns.size) * 16; }

}  // namespace

size_t resize_bytes_workspace_bytes(const ResizeArgs& args) {
  const int64_t width = padded_to_lanes(args.horizontal.out_size);
  return table_bytes(args.vertical, args.filter) + table_bytes(args.horizontal, args.filter) +
         Carver::bytes<uint8_t>(turned_bytes(source_range(args.horizontal))) +
         Carver::bytes<uint8_t>(source_range(args.vertical).size * 3 * width);
}

void resize_bytes_cpu(const ImageView& image, const ResizeArgs& args, float* out,
                      Workspace workspace) {
  const ResizeAxis& v = args.vertical;
  const ResizeAxis& h = args.horizontal;
  Carver carver(workspace);
  Passes p{.image = image,
           .args = args,
           .rows = source_range(v),
           .columns = source_range(h),
           .vertical = carve_table(v, args.filter, carver),
           .horizontal = carve_table(h, args.filter, carver),
           .width = padded_to_lanes(h.out_size),
           .turned = nullptr,
           .middle = nullptr};
  p.turned = carver.take<uint8_t>(turned_bytes(p.columns));
  p.middle = carver.take<uint8_t>(p.rows.size * 3 * p.width);
  fill_weights(v, {args.filter, 1.0f, Mirror::kNo}, p.vertical);
  fill_weights(h, {args.filter, 1.0f, args.mirror}, p.horizontal);
  // Only the rows that the result needs.
  const int64_t last = p.vertical.first[v.out_size - 1] + p.vertical.taps;
  p.rows = {p.rows.begin + p.vertical.first[0], last - p.vertical.first[0]};
  for (int64_t row = 0; row < p.rows.size; row += 16) {
    p.turn_rows(row);
    p.blend_rows(row);
  }
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = 0; y < v.out_size; ++y) {
      p.blend_row(y, c, out + (c * v.out_size + y) * h.out_size);
    }
  }
}

}  // namespace rela
