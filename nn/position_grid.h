#pragma once
// Position embeddings of vision transformers, for images of another size than they were trained on.

#include <cstdint>
#include <optional>
#include <vector>

namespace rela {

/// Rows of a position embedding: one for the class token or none, then those of a square grid.
struct PositionGrid {
  int64_t class_rows = 0;  // 0 or 1
  int64_t side = 0;

  int64_t rows() const { return class_rows + side * side; }
  bool operator==(const PositionGrid&) const = default;
};
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
