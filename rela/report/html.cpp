#include "rela/report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace rela {

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t') continue;  // not in XML
        out += c;
    }
  }
  return out;
}

std::string with_separators(std::string number) {
  const size_t first = number.starts_with('-') ? 1 : 0;
  const size_t point = std::min(number.find('.'), number.size());
  for (size_t at = point; at > first + 3; at -= 3) number.insert(at - 3, 1, ',');
  return number;
}

std::string format_count(int64_t value) { return with_separators(std::to_string(value)); }

std::string format_number(double value) {
  if (std::isfinite(value) && std::abs(value) >= 1000 && std::abs(value) < 1e15) {
    return format_count(std::llround(value));
  }
  return fmt::format("{:.4g}", value);
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e12) return "";
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole >= 600 && whole < 3600) return fmt::format("{} min", whole / 60);
  if (whole < 600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 48 * 3600) return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {} h", whole / 86400, whole / 3600 % 24);
}

}  // namespace rela
