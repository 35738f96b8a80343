#pragma once
// Suggestions for a misspelt word.

#include <string>
#include <vector>

namespace rela {

/// Number of letters to insert, delete or replace to turn one word into the other.
int edit_distance(const std::string& a, const std::string& b);

/// The candidate nearest to the word: at most 2 edits away, and at most half as many edits as the
/// word has letters. Empty if there is none.
std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace rela
