#pragma once

#include <string>
#include <string_view>

namespace rela {

/// What a file that should hold weights holds instead, and what to do, as the end of a message: "a
/// Git LFS pointer, not the weights; ...". Empty: nothing that is known. `start`: its first bytes,
/// 512 are plenty.
std::string weights_mistaken_for(std::string_view start);

}  // namespace rela
