#pragma once

#include <vector>

namespace rela {

/// A value and the word for it.
template <class E>
struct Choice {
  const char* name;
  E value;
};

/// The word for one of the values.
template <class E>
const char* choice_name(const std::vector<Choice<E>>& choices, E value) {
  for (const Choice<E>& c : choices) {
    if (c.value == value) return c.name;
  }
  return "?";
}

}  // namespace rela
