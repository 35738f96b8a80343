#pragma once
// Messages in Protocol Buffers' wire format (https://protobuf.dev/programming-guides/encoding/),
// to be written: a field is its number and type, then its value.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rela {

class ProtobufMessage {
 public:
  void add(int field, int64_t value);
  void add(int field, float value);
  void add(int field, std::string_view text);
  void add(int field, const ProtobufMessage& message) { add(field, message.bytes_); }
  void add_each(int field, std::span<const int64_t> values);
  /// The start of a field of `bytes` bytes, which are to be appended.
  void begin(int field, uint64_t bytes);

  const std::string& bytes() const { return bytes_; }

 private:
  void varint(uint64_t value);

  std::string bytes_;
};

}  // namespace rela
