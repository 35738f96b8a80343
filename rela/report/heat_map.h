#pragma once
// A table of numbers as a picture.

#include <string>
#include <vector>

namespace rela {

struct HeatMap {
  std::string title{};
  std::string row_label{}, column_label{};  // what the rows and the columns are
  std::vector<std::string> names{};         // n, of rows and columns alike
  std::vector<double> values{};             // [n, n]; not a number: an empty cell
  double low = 0, high = 1;                 // pale and dark end of the colours
};

/// A whole <svg> document on white, with plain attributes: a square of cells, each with its number.
std::string to_svg(const HeatMap& map);

}  // namespace rela
