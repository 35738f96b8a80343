#include "rela/pictures/neighbour_sheet.h"

#include <gtest/gtest.h>

#include "rela/data/memory_dataset.h"
#include "rela/pictures/font.h"

namespace rela {
namespace {

constexpr Rgb kGreen{0x1f, 0xa8, 0x4d}, kGrey{0xcf, 0xd4, 0xdc};

/// Images of one colour each: (index, label, 7).
MemoryDataset images(int64_t count, int64_t side, std::vector<int64_t> labels) {
  MemoryImages all{.dims = {side, side},
                   .pixels = {},
                   .labels = std::move(labels),
                   .class_names = {"cat", "a very long name of a class", "dog"}};
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t p = 0; p < side * side; ++p) {
      all.pixels.push_back(static_cast<uint8_t>(i));
      all.pixels.push_back(static_cast<uint8_t>(all.labels[static_cast<size_t>(i)]));
      all.pixels.push_back(7);
    }
  }
  return MemoryDataset(std::move(all));
}

class Sheet : public testing::Test {
 protected:
  NeighbourSheet sheet(int64_t scale = 0) const {
    return {.train = train_,
            .test = test_,
            .queries = {1, 0},  // a dog and a cat
            .k = 3,
            .groups = {{"first", {5, 0, 1, 3, 4, 2}}, {"second", {2, 2, 2, 2, 2, 2}}},
            .scale = scale};
  }

  MemoryDataset train_ = images(6, 28, {0, 2, 2, 0, 1, 2});
  MemoryDataset test_ = images(2, 28, {0, 2});
};

Rgb corner(const Canvas& canvas, const Box& box) {
  EXPECT_EQ(canvas.at(box.x, box.y), canvas.at(box.x + box.width - 1, box.y + box.height - 1));
  return canvas.at(box.x, box.y);
}
Rgb middle(const Canvas& canvas, const Box& box) {
  return canvas.at(box.x + box.width / 2, box.y + box.height / 2);
}

TEST_F(Sheet, HasEveryPictureInItsPlaceAndGreenFramesWhereTheClassIsTheQuerys) {
  const NeighbourSheet s = sheet();
  const SheetLayout layout(s);
  const Canvas canvas = draw_neighbour_sheet(s);
  for (int64_t row = 0; row < 2; ++row) {
    const int64_t query = s.queries[static_cast<size_t>(row)];
    const auto query_label = static_cast<uint8_t>(test_.label(query));
    EXPECT_TRUE(middle(canvas, layout.query(row)) ==
                (Rgb{static_cast<uint8_t>(query), query_label, 7}));
    for (int64_t group = 0; group < 2; ++group) {
      for (int64_t rank = 0; rank < 3; ++rank) {
        const int64_t image =
            s.groups[static_cast<size_t>(group)].images[static_cast<size_t>(row * 3 + rank)];
        const auto label = static_cast<uint8_t>(train_.label(image));
        const Box box = layout.neighbour(group, row, rank);
        EXPECT_TRUE(middle(canvas, box) == (Rgb{static_cast<uint8_t>(image), label, 7}))
            << group << row << rank;
        EXPECT_TRUE(corner(canvas, box) == (label == query_label ? kGreen : kGrey))
            << group << row << rank;
      }
    }
  }
}

TEST_F(Sheet, KeepsItsPartsApartAndInside) {
  const NeighbourSheet s = sheet();
  const SheetLayout layout(s);
  const auto right = [](const Box& box) { return box.x + box.width; };
  const auto bottom = [](const Box& box) { return box.y + box.height; };
  EXPECT_LE(right(layout.class_name(0)), layout.query(0).x);
  EXPECT_LE(right(layout.query(0)), layout.panel(0).x);
  EXPECT_LE(right(layout.panel(0)), layout.panel(1).x);
  EXPECT_LE(right(layout.panel(1)), layout.width());
  EXPECT_LE(right(layout.legend()), layout.width());
  EXPECT_LE(bottom(layout.title()), layout.panel(0).y);
  EXPECT_LE(bottom(layout.header(0)), layout.neighbour(0, 0, 0).y);
  EXPECT_LE(bottom(layout.neighbour(0, 0, 0)), layout.neighbour(0, 1, 0).y);
  EXPECT_LE(right(layout.neighbour(0, 0, 0)), layout.neighbour(0, 0, 1).x);
  EXPECT_LE(right(layout.neighbour(1, 1, 2)), right(layout.panel(1)));
  EXPECT_LE(bottom(layout.neighbour(1, 1, 2)), bottom(layout.panel(1)));
  EXPECT_LE(bottom(layout.panel(0)), layout.legend().y);
  EXPECT_LE(bottom(layout.legend()), layout.height());
}

TEST_F(Sheet, MagnifiesByWholeNumbersAsTheImagesNeedOrAsTold) {
  EXPECT_EQ(SheetLayout(sheet()).side(), 2 * 28);
  EXPECT_EQ(SheetLayout(sheet(5)).side(), 5 * 28);
  const auto side = [](int64_t of_images) {
    const MemoryDataset data = images(1, of_images, {0});
    return SheetLayout({.train = data,
                        .test = data,
                        .queries = {0},
                        .k = 1,
                        .groups = {{"", {0}}},
                        .scale = 0})
        .side();
  };
  EXPECT_EQ(side(32), 64);
  EXPECT_EQ(side(8), 24);
  EXPECT_EQ(side(80), 80);
  EXPECT_EQ(side(224), 96);
}

TEST_F(Sheet, NamesGroupsAndClasses) {
  NeighbourSheet s = sheet();
  const SheetLayout layout(s);
  const Canvas before = draw_neighbour_sheet(s);
  s.groups[1].name = "second one";
  const Canvas after = draw_neighbour_sheet(s);
  const auto differs = [&](const Box& box) {
    for (int64_t y = box.y; y < box.y + box.height; ++y) {
      for (int64_t x = box.x; x < box.x + box.width; ++x) {
        if (before.at(x, y) != after.at(x, y)) return true;
      }
    }
    return false;
  };
  EXPECT_FALSE(differs(layout.header(0)));
  EXPECT_TRUE(differs(layout.header(1)));
  EXPECT_EQ(layout.class_name(0).width,
            3 * kGlyphWidth);  // "cat", "dog": the long one has no query
}

}  // namespace
}  // namespace rela
