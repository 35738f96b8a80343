#pragma once
// The bytes of a pickle, and what they mean.

#include <cstdint>
#include <string_view>

#include "runtime/io/pickle.h"

namespace rela::pickle_input {

inline constexpr size_t kMaxGlobalBytes = 1000;  // of a class's or function's name

// Opcodes, under the names of Python's pickletools.
enum Op : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNoneValue = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kEmptyList = ']',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyDict = '}',
  kEmptyTuple = ')',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProto = 0x80,
  kNewObj = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

/// Reads the text from its front; every read is checked.
class Input {
 public:
  Input(std::string_view bytes, const char* name) : bytes_(bytes), name_(name) {}

  int64_t at() const { return static_cast<int64_t>(at_); }

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) {
      throw PickleError(cat(name_, " ends at byte ", bytes_.size(), ", inside a value of ", count,
                            " bytes at ", at_, "; the file is cut short or damaged"));
    }
    const std::string_view taken = bytes_.substr(at_, static_cast<size_t>(count));
    at_ += taken.size();
    return taken;
  }

  /// Little-endian.
  uint64_t number(size_t size) {
    const std::string_view taken = take(size);
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<uint8_t>(taken[i]);
    return value;
  }

  std::string_view line() {
    const size_t end = bytes_.substr(at_, kMaxGlobalBytes).find('\n');
    if (end == std::string_view::npos)
      throw PickleError(cat("a name at byte ", at_, " of ", name_, " does not end; it is damaged"));
    const std::string_view taken = take(end);
    take(1);
    return taken;
  }

 private:
  std::string_view bytes_;
  const char* name_;
  size_t at_ = 0;
};

}  // namespace rela::pickle_input
