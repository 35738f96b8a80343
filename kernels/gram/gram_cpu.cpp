// A chunk of rows is laid out as panels of kTileColumns columns, shifted; then every pair of panels
// of the lower half is multiplied, tile by tile in registers, and added to the sums in f64. A
// panel, and a pair of panels, belongs to one thread, so nothing is added in an order that threads
// decide.

#include "kernels/gram/gram.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/tile_product.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

constexpr int64_t kPanel = kTileColumns;
constexpr int64_t kPanelElements = kGramChunk * kPanel;

int64_t panel_count(const GramDims& d) { return (d.columns() + kPanel - 1) / kPanel; }

/// Columns [begin, end) of one source inside a panel.
template <class T>
struct Piece {
  const T* data = nullptr;  // [N, width]
  int64_t width = 0;
  int64_t first = 0;  // column of z where this source begins
};

/// The chunk's rows of z - shift, in panels [kGramChunk, kPanel] filled up with zeros, and of each
/// row a_i and b_i.
template <class T>
class Chunk {
 public:
  Chunk(const GramInputs& in, const GramDims& d, void* memory)
      : shift_(in.shift),
        d_(d),
        x_{static_cast<const T*>(in.x), d.p, 0},
        y_{static_cast<const T*>(in.y), d.q, d.p},
        panels_(static_cast<float*>(memory)) {}

  const float* panel(int64_t index) const { return panels_ + index * kPanelElements; }

  void pack(int64_t index, Range rows) {
    float* to = panels_ + index * kPanelElements;
    const int64_t begin = index * kPanel;
    const int64_t end = std::min(begin + kPanel, d_.columns());
    for (int64_t r = 0; r < rows.end - rows.begin; ++r) {
      float* row = to + r * kPanel;
      copy(x_, rows.begin + r, {begin, std::min(end, d_.p)}, row);
      copy(y_, rows.begin + r, {std::max(begin, d_.p), end},
           row + std::max<int64_t>(d_.p - begin, 0));
      std::fill(row + (end - begin), row + kPanel, 0.0f);
    }
  }

  /// |x part|^2 and |y part|^2 of a row of the chunk.
  void norms(int64_t row, double& a, double& b) const {
    a = squares(row, {0, d_.p});
    b = squares(row, {d_.p, d_.columns()});
  }

 private:
  void copy(const Piece<T>& from, int64_t row, Range columns, float* to) const {
    for (int64_t c = columns.begin; c < columns.end; ++c) {
      to[c - columns.begin] = to_float(from.data[row * from.width + c - from.first]) - shift_[c];
    }
  }
  double squares(int64_t row, Range columns) const {
    double sum = 0.0;
    for (int64_t c = columns.begin; c < columns.end;) {
      const int64_t end = std::min(columns.end, (c / kPanel + 1) * kPanel);
      const float* u = panel(c / kPanel) + row * kPanel;
      float part = 0.0f;
      for (; c < end; ++c) part += u[c % kPanel] * u[c % kPanel];
      sum += part;
    }
    return sum;
  }

  const float* shift_;
  const GramDims& d_;
  Piece<T> x_, y_;
  float* panels_;
};

/// Two panels of the same rows and their numbers, i >= j.
struct PanelPair {
  const float* left;
  const float* right;
  int64_t i, j;
};

/// Adds the product of two panels over `rows` rows to the lower half of gram.
void add_pair(const PanelPair& pair, int64_t rows, const GramDims& d, double* gram) {
  const auto& [left, right, i, j] = pair;
  alignas(64) float s[kTileRows * kTileColumns];
  const int64_t columns = d.columns();
  for (int64_t tile = 0; tile < kPanel && i * kPanel + tile < columns; tile += kTileRows) {
    multiply_tile({left + tile, kPanel}, right, rows, s);
    for (int64_t r = 0; r < kTileRows; ++r) {
      const int64_t row = i * kPanel + tile + r;
      if (row >= columns) break;
      double* out = gram + row * columns + j * kPanel;
      const int64_t count = std::min(kPanel, row + 1 - j * kPanel);  // up to the diagonal
      for (int64_t c = 0; c < count; ++c) out[c] += s[r * kTileColumns + c];
    }
  }
}

/// Adds the sums of a panel's columns, plain and weighted by a and b.
void add_columns(const float* panel, int64_t rows, const double* a_b, double* const sums[3],
                 int64_t columns) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* u = panel + r * kPanel;
    const double weights[3] = {1.0, a_b[2 * r], a_b[2 * r + 1]};
    for (int64_t k = 0; k < 3; ++k) {
      if (sums[k] == nullptr) continue;
      for (int64_t c = 0; c < columns; ++c) sums[k][c] += weights[k] * u[c];
    }
  }
}

template <class T>
void gram(const GramInputs& in, const GramSums& sums, const GramDims& d, void* memory) {
  const int64_t panels = panel_count(d);
  Chunk<T> chunk(in, d, memory);
  double a_b[2 * kGramChunk] = {};
  for (int64_t first = 0; first < d.rows; first += kGramChunk) {
    const Range rows{first, std::min(first + kGramChunk, d.rows)};
    const int64_t count = rows.end - rows.begin;
    parallel_for(panels, [&](int64_t panel) { chunk.pack(panel, rows); });
    if (sums.weighted != nullptr || sums.quartic != nullptr) {
      parallel_for(count, [&](int64_t r) { chunk.norms(r, a_b[2 * r], a_b[2 * r + 1]); });
    }
    if (sums.quartic != nullptr) {
      for (int64_t r = 0; r < count; ++r) {
        const double a = a_b[2 * r], b = a_b[2 * r + 1];
        sums.quartic[0] += a * a;
        sums.quartic[1] += a * b;
        sums.quartic[2] += b * b;
      }
    }
    // Task t < panels sums columns; the others are pairs, counted along the rows of the half.
    const int64_t pairs = sums.gram == nullptr ? 0 : panels * (panels + 1) / 2;
    parallel_for(panels + pairs, [&](int64_t task) {
      if (task < panels) {
        double* const columns[3] = {
            sums.column == nullptr ? nullptr : sums.column + task * kPanel,
            sums.weighted == nullptr ? nullptr : sums.weighted + task * kPanel,
            sums.weighted == nullptr ? nullptr : sums.weighted + d.columns() + task * kPanel};
        add_columns(chunk.panel(task), count, a_b, columns,
                    std::min(kPanel, d.columns() - task * kPanel));
        return;
      }
      const int64_t pair = task - panels;
      auto i = static_cast<int64_t>((std::sqrt(8.0 * static_cast<double>(pair) + 1.0) - 1.0) / 2.0);
      while (i * (i + 1) / 2 > pair) --i;
      while ((i + 1) * (i + 2) / 2 <= pair) ++i;
      const int64_t j = pair - i * (i + 1) / 2;
      add_pair({chunk.panel(i), chunk.panel(j), i, j}, count, d, sums.gram);
    });
  }
}

template <class T>
void shift(const GramInputs& in, float* out, const GramDims& d) {
  const int64_t rows = std::min(d.rows, kGramChunk);
  for (int64_t c = 0; c < d.columns(); ++c) {
    const bool is_x = c < d.p;
    const T* from = static_cast<const T*>(is_x ? in.x : in.y) + (is_x ? c : c - d.p);
    double sum = 0.0;
    for (int64_t r = 0; r < rows; ++r) sum += to_float(from[r * (is_x ? d.p : d.q)]);
    out[c] =
        rows > 0 && std::isfinite(sum) ? static_cast<float>(sum / static_cast<double>(rows)) : 0.0f;
  }
}

}  // namespace

size_t gram_workspace_bytes_cpu(const GramDims& dims, Dtype /*dtype*/) {
  return static_cast<size_t>(panel_count(dims) * kPanelElements) * sizeof(float);
}

void gram_cpu(const GramInputs& in, const GramSums& sums, const GramDims& dims, Workspace workspace,
              Stream) {
  with_cpu_storage_type(in.dtype, [&]<class T>(T*) { gram<T>(in, sums, dims, workspace.data); });
}

void gram_shift_cpu(const GramInputs& in, float* out, const GramDims& dims, Stream) {
  with_cpu_storage_type(in.dtype, [&]<class T>(T*) { shift<T>(in, out, dims); });
}

}  // namespace rela
