#include "rela/train/shared_bad_images.h"

#include <charconv>
#include <string>
#include <string_view>

#include "runtime/error.h"

namespace rela {
namespace {

constexpr char kEnd = '\0';  // of an image; no name of a file has it

std::string to_message(const std::vector<BadImage>& met) {
  std::string text;
  for (const BadImage& bad : met) (text += cat(bad.index, ' ', bad.why)) += kEnd;
  return text;
}

std::vector<BadImage> from_message(std::string_view text) {
  std::vector<BadImage> met;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(kEnd));
    const size_t space = one.find(' ');
    BadImage bad;
    std::from_chars(one.data(), one.data() + space, bad.index);
    bad.why = one.substr(space + 1);
    met.push_back(std::move(bad));
    text.remove_prefix(one.size() + 1);
  }
  return met;
}

}  // namespace

void SharedBadImages::exchange() {
  const std::vector<BadImage> mine = images_.met_bad(told_);
  told_ += mine.size();
  for (const std::string& theirs : ranks_.gather(to_message(mine)))
    images_.add_bad(from_message(theirs));
}

}  // namespace rela
