#pragma once
// What may have been meant by a misspelt word.

#include <string>
#include <vector>

namespace rela {

/// Letters to insert, delete or replace to turn one word into the other.
int edit_distance(const std::string& a, const std::string& b);

/// The candidate nearest to the word: at most 2 edits away, and no more than half of the word's
/// letters. Empty when there is none.
std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace rela
