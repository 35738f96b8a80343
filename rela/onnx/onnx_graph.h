#pragma once
// A computation in the ONNX format (https://github.com/onnx/onnx/blob/main/docs/IR.md), opset 17.

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/io/protobuf.h"
#include "runtime/tensor.h"

namespace rela {

/// The name of a value: an input, a constant or the output of a node.
using OnnxValue = std::string;

struct OnnxAttribute {
  std::string name;
  std::variant<int64_t, float, std::vector<int64_t>> value;
};

/// An axis: its size, or a name for one that is free.
using OnnxDim = std::variant<int64_t, std::string>;

class OnnxGraph {
 public:
  /// Adds a node with one output, and gives that.
  OnnxValue node(const std::string& op, const std::vector<OnnxValue>& inputs,
                 const std::vector<OnnxAttribute>& attributes = {});
  /// Constants; an f32 one keeps its tensor, on the host.
  OnnxValue constant(const std::string& name, const Tensor& value);
  OnnxValue constant(float value);
  OnnxValue constant(const std::vector<int64_t>& values);
  OnnxValue constant_index(int64_t value);  // rank 0

  OnnxValue input(const std::string& name, const std::vector<OnnxDim>& shape);  // f32
  /// Gives the value that name.
  void output(const std::string& name, const OnnxValue& value, const std::vector<OnnxDim>& shape);

  using Notes = std::vector<std::pair<std::string, std::string>>;
  /// Writes the file, with notes for whoever reads it. Throws WeightsError beyond 2 GiB, which is
  /// the most that the format holds; IoError.
  void write(const std::string& path, const Notes& notes) const;

 private:
  struct Constant {
    ProtobufMessage head;  // all but the data
    Tensor tensor;         // f32, or undefined
    std::string raw;       // without a tensor

    uint64_t bytes() const;  // of the data
    const void* data() const;
  };
  OnnxValue add_constant(const std::string& name, std::span<const int64_t> dims, int64_t type,
                         Constant constant);

  ProtobufMessage nodes_;  // with the graph's other fields, but for the constants
  std::vector<Constant> constants_;
  int64_t count_ = 0;  // of names given
};

}  // namespace rela
