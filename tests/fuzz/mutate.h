#pragma once
// Sound files, made wrong at random: the same seed gives the same mistakes.

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace rela::test {

class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  /// One to four mistakes in one of the files, or in a cut and join of two.
  std::string next(const std::vector<std::string>& files) {
    std::string bytes = files[below(files.size())];
    for (size_t left = 1 + below(4); left > 0; --left) mutate(bytes, files);
    return bytes;
  }

 private:
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  void mutate(std::string& bytes, const std::vector<std::string>& files) {
    const size_t at = below(bytes.size() + 1);
    const size_t length = below(std::min<size_t>(bytes.size() - at, 64) + 1);
    switch (below(8)) {
      case 0:
        bytes.resize(at);
        return;
      case 1:
        bytes.erase(at, length);
        return;
      case 2:
        bytes.insert(at, bytes.substr(below(bytes.size() + 1), length));
        return;
      case 3: {
        const std::string& other = files[below(files.size())];
        bytes = bytes.substr(0, at) + other.substr(below(other.size() + 1));
        return;
      }
      case 4:
        overwrite(bytes, at);
        return;
      case 5:
        bytes.insert(at, length, static_cast<char>(random_()));
        return;
      default:
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
    }
  }

  /// A count or an offset that is telling: nothing, all bits, the limits of its type, one less.
  void overwrite(std::string& bytes, size_t at) {
    const uint64_t limits[] = {0,
                               ~uint64_t{0},
                               ~uint64_t{0} >> 1,
                               bytes.size(),
                               bytes.size() - 1,
                               uint64_t{1} << 31,
                               0xffffffff,
                               uint64_t{1} << 62,
                               random_()};
    const uint64_t value = limits[below(std::size(limits))];
    const size_t width = size_t{1} << below(4);
    if (at + width <= bytes.size()) std::memcpy(bytes.data() + at, &value, width);
  }

  std::mt19937 random_;
};

}  // namespace rela::test
