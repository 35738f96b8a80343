#pragma once

#include <string>

namespace rela {

/// A name from a file, safe for a terminal: in quotes, control characters escaped, bytes that are
/// not UTF-8 as '?', long names truncated.
std::string quoted(const std::string& name);

bool is_utf8(const std::string& text);

}  // namespace rela
