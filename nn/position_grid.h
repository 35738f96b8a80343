#pragma once
// Position embeddings of vision transformers, for images of another size than they were trained on.

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/shape.h"

namespace rela {

/// Rows of a position embedding: one for the class token or none, then those of a square grid.
struct PositionGrid {
  int64_t class_rows = 0;  // 0 or 1
  int64_t side = 0;

  int64_t rows() const { return class_rows + side * side; }
  bool operator==(const PositionGrid&) const = default;
};
/// A fixed embedding [1, rows, width] of sines and cosines, as MoCo v3 has it (Chen et al. 2021,
/// arXiv 2104.02057): a quarter of the features each for the sine and cosine of the patch's row and
/// of its column, times temperature^(-4 i / width). That of the class token is 0. `shape` has a
/// grid, and a width that is a multiple of 4.
std::vector<float> sin_cos_positions(const Shape& shape, double temperature);

/// The grid with that many rows; none if there is no such grid.
std::optional<PositionGrid> position_grid(int64_t rows);

/// from [side, side, width] -> [new_side, new_side, width]: bicubic (Keys's, a = -1/2), widened
/// when the grid shrinks, as timm's resample_abs_pos_embed does (torch's interpolate,
/// antialias=True). Equal sides: a copy.
std::vector<float> resample_grid(const std::vector<float>& from, int64_t side, int64_t new_side);

/// A whole embedding [from.rows(), width] as `to` has it; from.class_rows is not less. A row for
/// the class token that `to` has not is left out.
std::vector<float> fit_positions(const std::vector<float>& values, const PositionGrid& from,
                                 const PositionGrid& to);

}  // namespace rela
