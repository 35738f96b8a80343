#pragma once
// Letters for pictures of pixels.

#include <cstdint>
#include <string>
#include <string_view>

namespace rela {

inline constexpr int64_t kGlyphWidth = 10;
inline constexpr int64_t kGlyphHeight = 17;  // from the tallest letter's top to the lowest tail

/// Whether the glyph of a printable ASCII letter, "?" for any other, covers the pixel: x in [0,
/// kGlyphWidth), y in [0, kGlyphHeight) from the top.
bool glyph_covers(char letter, int64_t x, int64_t y);

/// The text (UTF-8) with "?" for each letter that the font lacks.
std::string to_ascii(std::string_view text);

}  // namespace rela
