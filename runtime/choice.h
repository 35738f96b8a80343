#pragma once

namespace rela {

/// A value and the word for it.
template <class E>
struct Choice {
  const char* name;
  E value;
};

}  // namespace rela
