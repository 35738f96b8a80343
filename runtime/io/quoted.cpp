#include "runtime/io/quoted.h"

#include <algorithm>

#include "runtime/io/json.h"

namespace rela {
namespace {

std::string in_quotes(const std::string& name) {
  constexpr size_t kMaxShown = 120;
  const std::string text = to_json_text(JsonValue(name), JsonLayout::kCompact);
  return text.size() <= kMaxShown ? text : text.substr(0, kMaxShown) + "...";
}

}  // namespace

std::string quoted(const std::string& name) {
  if (is_utf8(name)) return in_quotes(name);
  std::string ascii = name;
  const auto is_beyond_ascii = [](char c) { return (static_cast<unsigned char>(c) & 0x80) != 0; };
  std::replace_if(ascii.begin(), ascii.end(), is_beyond_ascii, '?');
  return in_quotes(ascii);
}

bool is_utf8(const std::string& text) {
  try {
    to_json_text(JsonValue(text), JsonLayout::kCompact);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace rela
