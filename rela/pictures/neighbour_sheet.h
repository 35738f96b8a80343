#pragma once
// A contact sheet: a row for each query picture, a group of columns for each model with the
// pictures that the model takes to be most like it.

#include <cstdint>
#include <string>
#include <vector>

#include "rela/data/dataset.h"
#include "rela/pictures/canvas.h"

namespace rela {

struct SheetGroup {
  std::string name{};
  std::vector<int64_t> images{};  // [Q, k] of `train`, nearest first
};

struct NeighbourSheet {
  const ImageDataset& train;
  const ImageDataset& test;
  std::vector<int64_t> queries{};  // Q images of `test`
  int64_t k = 0;
  std::vector<SheetGroup> groups{};
  int64_t scale = 0;  // pixels of the sheet for one of an image; 0: as suits the images' size
};

/// Where things are, in pixels of the sheet.
class SheetLayout {
 public:
  explicit SheetLayout(const NeighbourSheet& sheet);

  int64_t width() const;
  int64_t height() const;
  int64_t side() const { return side_; }  // of the square for a picture, frame not counted
  int64_t rows() const { return rows_; }
  Box title() const;                // a line of text
  Box panel(int64_t group) const;   // a group with its header
  Box header(int64_t group) const;  // two lines of text
  Box class_name(int64_t row) const;
  Box query(int64_t row) const;                                   // with its frame
  Box neighbour(int64_t group, int64_t row, int64_t rank) const;  // with its frame
  Box legend() const;                                             // a line below everything

 private:
  int64_t row_top(int64_t row) const;

  int64_t rows_, k_, groups_;
  int64_t side_ = 0;
  int64_t names_ = 0;  // width of the classes' names
};

/// Frames are green where the neighbour has the query's class, and grey elsewhere: that is all that
/// labels do here.
Canvas draw_neighbour_sheet(const NeighbourSheet& sheet);

}  // namespace rela
