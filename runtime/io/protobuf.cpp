#include "runtime/io/protobuf.h"

#include <cstring>

namespace rela {
namespace {

// What follows a field's number.
constexpr uint64_t kVarint = 0;
constexpr uint64_t kLengthAndBytes = 2;
constexpr uint64_t kFourBytes = 5;

uint64_t tag(int field, uint64_t type) { return static_cast<uint64_t>(field) << 3 | type; }

}  // namespace

/// Seven bits a byte, the lowest first; the eighth says that more follow.
void ProtobufMessage::varint(uint64_t value) {
  constexpr uint64_t kSevenBits = 0x7f;
  for (; value > kSevenBits; value >>= 7)
    bytes_ += static_cast<char>((value & kSevenBits) | (kSevenBits + 1));
  bytes_ += static_cast<char>(value);
}

void ProtobufMessage::add(int field, int64_t value) {
  varint(tag(field, kVarint));
  varint(static_cast<uint64_t>(value));
}

void ProtobufMessage::add(int field, float value) {
  varint(tag(field, kFourBytes));
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  bytes_.append(raw, sizeof value);
}

void ProtobufMessage::add(int field, std::string_view text) {
  begin(field, text.size());
  bytes_ += text;
}

void ProtobufMessage::add_each(int field, std::span<const int64_t> values) {
  for (const int64_t value : values) add(field, value);
}

void ProtobufMessage::begin(int field, uint64_t bytes) {
  varint(tag(field, kLengthAndBytes));
  varint(bytes);
}

}  // namespace rela
