#pragma once
// Pieces of text that pages and charts share.

#include <cstdint>
#include <string>
#include <string_view>

namespace rela {

/// Text made safe inside HTML elements and quoted attributes.
std::string escape_html(std::string_view text);

/// Four significant digits: "0.001", "1.2e-07", "12,500", "nan".
std::string format_number(double value);

/// The digits of a plain decimal number in groups of three: "12500.25" -> "12,500.25".
std::string with_separators(std::string number);
/// "12,500"
std::string format_count(int64_t value);

/// "2 d 3 h", "1 h 05 min", "21 min", "4 min 05 s", "12.3 s"; "" for what is not a time.
std::string format_duration(double seconds);

}  // namespace rela
