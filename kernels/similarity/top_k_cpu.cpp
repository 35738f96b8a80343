// Each thread takes blocks of queries. For a block it walks once over y: a panel of kPanel rows is
// transposed to [D, kPanel] and multiplied with every tile of kTile queries in registers; each
// tile of similarities goes straight past the rows' bars (top_k_rows.h) and is forgotten.

#include <algorithm>
#include <cstring>
#include <new>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/tile_product.h"
#include "kernels/similarity/top_k.h"
#include "kernels/similarity/top_k_rows.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

constexpr int64_t kPanel = kTileColumns;
constexpr int64_t kTile = kTileRows;  // queries multiplied at once
constexpr int64_t kBlock = 512;       // queries per pass over y: packing y costs 3 % then
constexpr size_t kAlignment = 64;

constexpr size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) & ~(kAlignment - 1); }

int64_t block_rows(const TopKDims& d) {
  return std::min(kBlock, (d.queries + kTile - 1) / kTile * kTile);
}
/// Room for k more before the next compaction, and a panel at least: compactions stay rare.
int64_t buffer_capacity(const TopKDims& d) { return 2 * d.k + kPanel; }

/// What one thread needs.
struct Buffers {
  float* queries = nullptr;  // [block / kTile, D, kTile]
  float* panel = nullptr;    // [D, kPanel]
  uint64_t* kept = nullptr;  // [block, capacity]
  TopKRow* rows = nullptr;   // [block]
};
size_t queries_bytes(const TopKDims& d) {
  return aligned(static_cast<size_t>(block_rows(d) * d.width) * sizeof(float));
}
size_t panel_bytes(const TopKDims& d) {
  return aligned(static_cast<size_t>(kPanel * d.width) * sizeof(float));
}
size_t kept_bytes(const TopKDims& d) {
  return aligned(static_cast<size_t>(block_rows(d) * buffer_capacity(d)) * sizeof(uint64_t));
}
size_t rows_bytes(const TopKDims& d) {
  return aligned(static_cast<size_t>(block_rows(d)) * sizeof(TopKRow));
}
size_t thread_bytes(const TopKDims& d) {
  return queries_bytes(d) + panel_bytes(d) + kept_bytes(d) + rows_bytes(d);
}
Buffers cut_buffers(std::byte* memory, const TopKDims& d) {
  Buffers b;
  b.queries = reinterpret_cast<float*>(memory);
  b.panel = reinterpret_cast<float*>(memory += queries_bytes(d));
  b.kept = reinterpret_cast<uint64_t*>(memory += panel_bytes(d));
  b.rows = reinterpret_cast<TopKRow*>(memory + kept_bytes(d));
  return b;
}

/// to[d, i] = from[i, d] for i < count, 0 for count <= i < Rows.
template <int64_t Rows, class T>
void pack(const T* from, int64_t count, int64_t width, float* to) {
  if (count < Rows) std::fill(to, to + Rows * width, 0.0f);
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const T* rows = from + i * width;
    int64_t d = 0;
    for (; d + 4 <= width; d += 4) transpose_4x4(rows + d, width, to + d * Rows + i, Rows);
    for (; d < width; ++d) {
      for (int64_t r = 0; r < 4; ++r) to[d * Rows + i + r] = to_float(rows[r * width + d]);
    }
  }
  for (; i < count; ++i) {
    for (int64_t d = 0; d < width; ++d) to[d * Rows + i] = to_float(from[i * width + d]);
  }
}

/// Bit j: s[j] > bar, for j in [0, kPanel).
uint64_t above(const float* s, float bar) {
  uint64_t hits = 0;
  for (int64_t j = 0; j < kPanel; j += kRegisterLanes) {
    hits |= static_cast<uint64_t>(lanes_above(s + j, bar)) << j;
  }
  return hits;
}

void add_hits(const float* s, uint64_t hits, int64_t first_index, TopKRow& row) {
  for (; hits != 0; hits &= hits - 1) {
    const int j = std::countr_zero(hits);
    if (s[j] > row.bar()) row.add(s[j], static_cast<uint32_t>(first_index + j));
  }
}

/// Finds the best k for the queries [first, first + count), count <= block_rows().
template <class T>
void run_block(const T* x, const T* y, const TopKDims& d, const Buffers& b, int64_t count) {
  for (int64_t i = 0; i < count; i += kTile) {
    pack<kTile>(x + i * d.width, std::min(kTile, count - i), d.width, b.queries + i * d.width);
  }
  for (int64_t i = 0; i < count; ++i) {
    new (&b.rows[i]) TopKRow(b.kept + i * buffer_capacity(d), buffer_capacity(d), d.k);
  }
  alignas(kAlignment) float s[kTile * kPanel];
  for (int64_t j = 0; j < d.candidates; j += kPanel) {
    const int64_t columns = std::min(kPanel, d.candidates - j);
    const uint64_t valid = (uint64_t{1} << columns) - 1;
    pack<kPanel>(y + j * d.width, columns, d.width, b.panel);
    for (int64_t i = 0; i < count; i += kTile) {
      multiply_tile({b.queries + i * d.width, kTile}, b.panel, d.width, s);
      for (int64_t r = 0; r < std::min(kTile, count - i); ++r) {
        const float* row = s + r * kPanel;
        add_hits(row, above(row, b.rows[i + r].bar()) & valid, j, b.rows[i + r]);
      }
    }
  }
}

template <class T>
void search(const T* x, const T* y, TopKOutput out, const TopKDims& dims, Workspace workspace) {
  const size_t bytes = thread_bytes(dims);
  const int64_t tiles = (dims.queries + kTile - 1) / kTile;
  const int64_t parts =
      std::min<int64_t>({cpu_threads(), tiles, static_cast<int64_t>(workspace.bytes / bytes)});
  parallel_for(parts, [&](int64_t part) {
    const Buffers b = cut_buffers(static_cast<std::byte*>(workspace.data) + part * bytes, dims);
    const Range mine = part_of(tiles, parts, part);
    const int64_t end = std::min(mine.end * kTile, dims.queries);
    for (int64_t first = mine.begin * kTile; first < end; first += block_rows(dims)) {
      const int64_t count = std::min(block_rows(dims), end - first);
      run_block(x + first * dims.width, y, dims, b, count);
      for (int64_t i = 0; i < count; ++i) {
        b.rows[i].finish(out.values + (first + i) * dims.k, out.indices + (first + i) * dims.k);
      }
    }
  });
}

}  // namespace

size_t top_k_similarity_workspace_bytes_cpu(const TopKDims& dims) {
  const int64_t tiles = (dims.queries + kTile - 1) / kTile;
  return thread_bytes(dims) * static_cast<size_t>(std::clamp<int64_t>(tiles, 1, cpu_threads()));
}

void top_k_similarity_cpu(const void* x, const void* y, TopKOutput out, const TopKDims& dims,
                          Workspace workspace, Stream) {
  if (dims.queries == 0 || dims.k == 0) return;
  with_cpu_storage_type(dims.dtype, [&]<class T>(T*) {
    search(static_cast<const T*>(x), static_cast<const T*>(y), out, dims, workspace);
  });
}

}  // namespace rela
