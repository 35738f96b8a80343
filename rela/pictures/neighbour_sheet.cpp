#include "rela/pictures/neighbour_sheet.h"

#include <fmt/format.h>

#include <algorithm>

#include "rela/pictures/font.h"
#include "rela/report/palette.h"

namespace rela {
namespace {

constexpr int64_t kMargin = 24;
constexpr int64_t kFrame = 4;      // around a picture
constexpr int64_t kGap = 4;        // between pictures
constexpr int64_t kPad = 12;       // inside a panel
constexpr int64_t kGroupGap = 20;  // between panels
constexpr int64_t kLine = kGlyphHeight + 7;
constexpr int64_t kUsualSide = 64;    // of a drawn picture, about
constexpr int64_t kLargestSide = 96;  // larger pictures are shrunk
constexpr int64_t kLongestName = 16;  // letters of a class's name
constexpr Rgb kSameFrame{0x1f, 0xa8, 0x4d};
constexpr const char* kTitle = "Nearest training pictures by cosine similarity";
constexpr const char* kSame = "the query's class";
constexpr const char* kOther = "another class";
constexpr const char* kRule = "nearest first; labels only colour the frames";

/// Height or width of an image, whichever is larger.
int64_t side_of(const ImageDataset& dataset, int64_t index) {
  std::vector<uint8_t> buffer;
  const ImageDims dims = dataset.image(index, buffer).dims;
  return std::max(dims.height, dims.width);
}

int64_t drawn_side(int64_t side, int64_t scale) {
  if (scale > 0) return side * scale;
  if (side > kUsualSide) return std::min(side, kLargestSide);
  return side * std::min(kUsualSide / side, int64_t{3});
}

const std::string& class_of(const ImageDataset& dataset, int64_t index) {
  return dataset.class_names().at(static_cast<size_t>(dataset.label(index)));
}

int64_t legend_width() {
  return text_width(kSame) + text_width(kOther) + text_width(kRule) + 5 * kLine;
}

class SheetWriter {
 public:
  explicit SheetWriter(const NeighbourSheet& sheet)
      : sheet_(sheet), layout_(sheet), canvas_(layout_.width(), layout_.height(), color(p_.card)) {}

  Canvas draw() {
    const Box title = layout_.title();
    canvas_.bold_text(title.x, title.y, fitting_text(kTitle, title.width), color(p_.text));
    for (int64_t group = 0; group < std::ssize(sheet_.groups); ++group) draw_group(group);
    const Box first = layout_.query(0);
    const std::string query = fitting_text("query", first.width);
    canvas_.text(first.x, layout_.header(0).y + kLine, query, color(p_.soft));
    for (int64_t row = 0; row < layout_.rows(); ++row) draw_query(row);
    draw_legend();
    return std::move(canvas_);
  }

 private:
  static Rgb color(const std::string& of_palette) { return rgb(of_palette); }

  void picture(const Box& box, const ImageDataset& dataset, int64_t index, Rgb frame) {
    const Box inside{box.x + kFrame, box.y + kFrame, layout_.side(), layout_.side()};
    canvas_.frame(box, kFrame, frame);
    canvas_.image(inside, dataset.image(index, buffer_));
  }

  void draw_query(int64_t row) {
    const int64_t index = sheet_.queries[static_cast<size_t>(row)];
    const Box box = layout_.class_name(row);
    const std::string name = fitting_text(class_of(sheet_.test, index), box.width);
    canvas_.text(box.x + box.width - text_width(name), box.y, name, color(p_.soft));
    picture(layout_.query(row), sheet_.test, index, color(p_.text));
  }

  void draw_group(int64_t group) {
    const SheetGroup& g = sheet_.groups[static_cast<size_t>(group)];
    canvas_.fill(layout_.panel(group), color(p_.page));
    int64_t same = 0;
    for (size_t i = 0; i < g.images.size(); ++i) {
      const int64_t row = static_cast<int64_t>(i) / sheet_.k;
      const int64_t query = sheet_.queries[static_cast<size_t>(row)];
      const bool is_same = sheet_.train.label(g.images[i]) == sheet_.test.label(query);
      same += is_same ? 1 : 0;
      picture(layout_.neighbour(group, row, static_cast<int64_t>(i) % sheet_.k), sheet_.train,
              g.images[i], is_same ? kSameFrame : color(p_.edge));
    }
    const Box head = layout_.header(group);
    const auto total = std::ssize(g.images);
    std::string share = fmt::format("{} of {}", same, total);
    const std::string spelt_out = share + " have the query's class";
    if (text_width(spelt_out) <= head.width) share = spelt_out;
    canvas_.bold_text(head.x, head.y, fitting_text(g.name, head.width), color(p_.text));
    canvas_.text(head.x, head.y + kLine, fitting_text(share, head.width), color(p_.soft));
  }

  void draw_legend() {
    const Box line = layout_.legend();
    int64_t x = line.x;
    for (const auto& [frame, text] :
         {std::pair{kSameFrame, kSame}, std::pair{color(p_.edge), kOther}}) {
      canvas_.frame({x, line.y - 3, kLine, kLine}, kFrame, frame);
      canvas_.text(x + kLine + 8, line.y, text, color(p_.soft));
      x += 2 * kLine + text_width(text);
    }
    canvas_.text(x + kLine, line.y, kRule, color(p_.soft));
  }

  const Palette& p_ = light_palette();
  const NeighbourSheet& sheet_;
  SheetLayout layout_;
  Canvas canvas_;
  std::vector<uint8_t> buffer_;
};

}  // namespace

SheetLayout::SheetLayout(const NeighbourSheet& sheet)
    : rows_(std::ssize(sheet.queries)), k_(sheet.k), groups_(std::ssize(sheet.groups)) {
  const auto take = [&](const ImageDataset& dataset, int64_t index) {
    side_ = std::max(side_, drawn_side(side_of(dataset, index), sheet.scale));
  };
  for (const SheetGroup& group : sheet.groups) {
    for (const int64_t index : group.images) take(sheet.train, index);
  }
  for (const int64_t index : sheet.queries) {
    take(sheet.test, index);
    names_ = std::max(names_, text_width(class_of(sheet.test, index)));
  }
  names_ = std::min(names_, kLongestName * kGlyphWidth);
}

int64_t SheetLayout::width() const {
  const Box last = panel(groups_ - 1);
  return std::max(last.x + last.width, kMargin + legend_width()) + kMargin;
}

int64_t SheetLayout::height() const { return legend().y + kGlyphHeight + kMargin; }

int64_t SheetLayout::row_top(int64_t row) const {
  return panel(0).y + kPad + 2 * kLine + 4 + row * (side_ + 2 * kFrame + kGap);
}

Box SheetLayout::title() const { return {kMargin, kMargin, width() - 2 * kMargin, kGlyphHeight}; }

Box SheetLayout::panel(int64_t group) const {
  const int64_t cell = side_ + 2 * kFrame + kGap;
  const int64_t width = k_ * cell - kGap + 2 * kPad;
  const int64_t left = kMargin + names_ + kPad + side_ + 2 * kFrame + kGroupGap;
  return {left + group * (width + kGroupGap), kMargin + kGlyphHeight + kPad, width,
          2 * kPad + 2 * kLine + 4 + rows_ * cell - kGap};
}

Box SheetLayout::header(int64_t group) const {
  const Box all = panel(group);
  return {all.x + kPad, all.y + kPad, all.width - 2 * kPad, 2 * kLine};
}

Box SheetLayout::class_name(int64_t row) const {
  return {kMargin, row_top(row) + (side_ + 2 * kFrame - kGlyphHeight) / 2, names_, kGlyphHeight};
}

Box SheetLayout::query(int64_t row) const {
  return {kMargin + names_ + kPad, row_top(row), side_ + 2 * kFrame, side_ + 2 * kFrame};
}

Box SheetLayout::neighbour(int64_t group, int64_t row, int64_t rank) const {
  const int64_t left = panel(group).x + kPad + rank * (side_ + 2 * kFrame + kGap);
  return {left, row_top(row), side_ + 2 * kFrame, side_ + 2 * kFrame};
}

Box SheetLayout::legend() const {
  const Box all = panel(0);
  return {kMargin, all.y + all.height + kPad + 4, legend_width(), kGlyphHeight};
}

Canvas draw_neighbour_sheet(const NeighbourSheet& sheet) { return SheetWriter(sheet).draw(); }

}  // namespace rela
