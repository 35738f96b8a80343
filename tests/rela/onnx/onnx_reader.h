#pragma once
// ONNX files taken apart again: as much of the format as the tests look at.

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rela::test {

/// One field of a protobuf message.
struct ProtobufField {
  int number = 0;
  uint64_t value = 0;      // of an integer, or the bits of a float
  std::string_view bytes;  // of a text or a message
};

/// Throws std::runtime_error for what is not well-formed.
inline std::vector<ProtobufField> protobuf_fields(std::string_view message) {
  const auto take = [&](size_t count) {
    if (count > message.size()) throw std::runtime_error("a field ends beyond its message");
    const std::string_view taken = message.substr(0, count);
    message.remove_prefix(count);
    return taken;
  };
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    throw std::runtime_error("a number does not end");
  };
  std::vector<ProtobufField> fields;
  while (!message.empty()) {
    const uint64_t tag = varint();
    ProtobufField field;
    field.number = static_cast<int>(tag >> 3);
    switch (tag & 7) {
      case 0:
        field.value = varint();
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        std::memcpy(&field.value, take(4).data(), 4);
        break;
      default:
        throw std::runtime_error("a field of an unknown type");
    }
    fields.push_back(field);
  }
  return fields;
}

struct OnnxNode {
  std::string op;
  std::vector<std::string> inputs;
  std::string output;
  std::map<std::string, std::vector<int64_t>> integers;  // attributes
};
struct OnnxConstant {
  std::vector<int64_t> dims;
  uint64_t type = 0;
  std::string_view data;
};

class OnnxFile {
 public:
  explicit OnnxFile(std::string_view model) {
    for (const ProtobufField& field : protobuf_fields(model)) {
      if (field.number == 8) opset = protobuf_fields(field.bytes).at(0).value;
      if (field.number != 7) continue;
      for (const ProtobufField& part : protobuf_fields(field.bytes)) {
        if (part.number == 1) nodes.push_back(node_of(part.bytes));
        if (part.number == 5) add_constant(part.bytes);
        if (part.number == 11) input = first_text(part.bytes);
        if (part.number == 12) output = first_text(part.bytes);
      }
    }
  }

  uint64_t opset = 0;
  std::vector<OnnxNode> nodes;
  std::map<std::string, OnnxConstant> constants;
  std::string input, output;

 private:
  static std::string first_text(std::string_view message) {
    return std::string(protobuf_fields(message).at(0).bytes);
  }

  static OnnxNode node_of(std::string_view message) {
    OnnxNode node;
    for (const ProtobufField& field : protobuf_fields(message)) {
      if (field.number == 1) node.inputs.emplace_back(field.bytes);
      if (field.number == 2) node.output = field.bytes;
      if (field.number == 4) node.op = field.bytes;
      if (field.number != 5) continue;
      const std::vector<ProtobufField> parts = protobuf_fields(field.bytes);
      std::vector<int64_t>& values = node.integers[std::string(parts.at(0).bytes)];
      for (const ProtobufField& part : parts) {
        if (part.number == 3 || part.number == 8)
          values.push_back(static_cast<int64_t>(part.value));
      }
    }
    return node;
  }

  void add_constant(std::string_view message) {
    OnnxConstant constant;
    std::string name;
    for (const ProtobufField& field : protobuf_fields(message)) {
      if (field.number == 1) constant.dims.push_back(static_cast<int64_t>(field.value));
      if (field.number == 2) constant.type = field.value;
      if (field.number == 8) name = field.bytes;
      if (field.number == 9) constant.data = field.bytes;
    }
    if (!constants.emplace(name, constant).second) throw std::runtime_error(name + " is twice");
  }
};

}  // namespace rela::test
