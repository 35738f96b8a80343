#include "rela/onnx/onnx_graph.h"

#include <cstring>

#include "runtime/error.h"
#include "runtime/io/file.h"

namespace rela {
namespace {

// Fields and values of onnx.proto.
namespace model {
constexpr int kIrVersion = 1, kProducer = 2, kGraph = 7, kOpset = 8, kNotes = 14;
}
namespace opset {
constexpr int kVersion = 2;
}
namespace note {
constexpr int kKey = 1, kValue = 2;
}
namespace graph {
constexpr int kNode = 1, kName = 2, kConstant = 5, kInput = 11, kOutput = 12;
}
namespace node_field {
constexpr int kInput = 1, kOutput = 2, kName = 3, kOp = 4, kAttribute = 5;
}
namespace attribute {
constexpr int kName = 1, kFloat = 2, kInt = 3, kInts = 8, kType = 20;
constexpr int64_t kTypeFloat = 1, kTypeInt = 2, kTypeInts = 7;
}  // namespace attribute
namespace tensor {
constexpr int kDims = 1, kType = 2, kName = 8, kData = 9;
constexpr int64_t kTypeFloat = 1, kTypeInt64 = 7;
}  // namespace tensor
namespace value_info {
constexpr int kName = 1, kType = 2, kTensorType = 1, kElementType = 1, kShape = 2, kDim = 1;
constexpr int kDimValue = 1, kDimName = 2;
}  // namespace value_info

constexpr int64_t kIrVersion = 8;
constexpr int64_t kOpset = 17;
constexpr uint64_t kMostBytes = (uint64_t{1} << 31) - 1;

ProtobufMessage attribute_of(const OnnxAttribute& given) {
  ProtobufMessage message;
  message.add(attribute::kName, std::string_view(given.name));
  if (const auto* number = std::get_if<int64_t>(&given.value)) {
    message.add(attribute::kInt, *number);
    message.add(attribute::kType, attribute::kTypeInt);
  } else if (const auto* real = std::get_if<float>(&given.value)) {
    message.add(attribute::kFloat, *real);
    message.add(attribute::kType, attribute::kTypeFloat);
  } else {
    message.add_each(attribute::kInts, std::get<std::vector<int64_t>>(given.value));
    message.add(attribute::kType, attribute::kTypeInts);
  }
  return message;
}

ProtobufMessage value_of(const std::string& name, const std::vector<OnnxDim>& dims) {
  ProtobufMessage shape;
  for (const OnnxDim& dim : dims) {
    ProtobufMessage message;
    if (const auto* size = std::get_if<int64_t>(&dim)) {
      message.add(value_info::kDimValue, *size);
    } else {
      message.add(value_info::kDimName, std::string_view(std::get<std::string>(dim)));
    }
    shape.add(value_info::kDim, message);
  }
  ProtobufMessage tensor_type;
  tensor_type.add(value_info::kElementType, tensor::kTypeFloat);
  tensor_type.add(value_info::kShape, shape);
  ProtobufMessage type;
  type.add(value_info::kTensorType, tensor_type);
  ProtobufMessage value;
  value.add(value_info::kName, std::string_view(name));
  value.add(value_info::kType, type);
  return value;
}

ProtobufMessage head_of_model(const OnnxGraph::Notes& notes) {
  ProtobufMessage message;
  message.add(model::kIrVersion, kIrVersion);
  message.add(model::kProducer, std::string_view("rela"));
  ProtobufMessage version;
  version.add(opset::kVersion, kOpset);
  message.add(model::kOpset, version);
  for (const auto& [key, text] : notes) {
    ProtobufMessage entry;
    entry.add(note::kKey, std::string_view(key));
    entry.add(note::kValue, std::string_view(text));
    message.add(model::kNotes, entry);
  }
  return message;
}

}  // namespace

uint64_t OnnxGraph::Constant::bytes() const {
  return tensor.defined() ? static_cast<uint64_t>(tensor.bytes()) : raw.size();
}
const void* OnnxGraph::Constant::data() const {
  return tensor.defined() ? tensor.raw() : raw.data();
}

OnnxValue OnnxGraph::node(const std::string& op, const std::vector<OnnxValue>& inputs,
                          const std::vector<OnnxAttribute>& attributes) {
  OnnxValue name = cat(op, "_", ++count_);
  ProtobufMessage message;
  for (const OnnxValue& value : inputs) message.add(node_field::kInput, std::string_view(value));
  message.add(node_field::kOutput, std::string_view(name));
  message.add(node_field::kName, std::string_view(name));
  message.add(node_field::kOp, std::string_view(op));
  for (const OnnxAttribute& given : attributes)
    message.add(node_field::kAttribute, attribute_of(given));
  nodes_.add(graph::kNode, message);
  return name;
}

OnnxValue OnnxGraph::add_constant(const std::string& name, std::span<const int64_t> dims,
                                  int64_t type, Constant constant) {
  constant.head.add_each(tensor::kDims, dims);
  constant.head.add(tensor::kType, type);
  constant.head.add(tensor::kName, std::string_view(name));
  constant.head.begin(tensor::kData, constant.bytes());
  constants_.push_back(std::move(constant));
  return name;
}

OnnxValue OnnxGraph::constant(const std::string& name, const Tensor& value) {
  return add_constant(name, value.shape().dims(), tensor::kTypeFloat,
                      {.head = {}, .tensor = value, .raw = {}});
}

OnnxValue OnnxGraph::constant(float value) {
  return constant(cat("scalar_", ++count_), Tensor::full({}, value));
}

OnnxValue OnnxGraph::constant(const std::vector<int64_t>& values) {
  const auto count = static_cast<int64_t>(values.size());
  std::string raw(values.size() * sizeof(int64_t), '\0');
  std::memcpy(raw.data(), values.data(), raw.size());
  return add_constant(cat("integers_", ++count_), {&count, 1}, tensor::kTypeInt64,
                      {.head = {}, .tensor = {}, .raw = std::move(raw)});
}

OnnxValue OnnxGraph::constant_index(int64_t value) {
  std::string raw(sizeof value, '\0');
  std::memcpy(raw.data(), &value, sizeof value);
  return add_constant(cat("index_", ++count_), {}, tensor::kTypeInt64,
                      {.head = {}, .tensor = {}, .raw = std::move(raw)});
}

OnnxValue OnnxGraph::input(const std::string& name, const std::vector<OnnxDim>& shape) {
  nodes_.add(graph::kInput, value_of(name, shape));
  return name;
}

void OnnxGraph::output(const std::string& name, const OnnxValue& value,
                       const std::vector<OnnxDim>& shape) {
  ProtobufMessage message;
  message.add(node_field::kInput, std::string_view(value));
  message.add(node_field::kOutput, std::string_view(name));
  message.add(node_field::kName, std::string_view(name));
  message.add(node_field::kOp, std::string_view("Identity"));
  nodes_.add(graph::kNode, message);
  nodes_.add(graph::kOutput, value_of(name, shape));
}

void OnnxGraph::write(const std::string& path, const Notes& notes) const {
  ProtobufMessage rest = nodes_;
  rest.add(graph::kName, std::string_view("backbone"));
  uint64_t bytes = rest.bytes().size();
  std::vector<std::string> heads;  // of the constants, as fields of the graph
  for (const Constant& c : constants_) {
    ProtobufMessage field;
    field.begin(graph::kConstant, c.head.bytes().size() + c.bytes());
    heads.push_back(field.bytes() + c.head.bytes());
    bytes += heads.back().size() + c.bytes();
  }
  RELA_CHECK(bytes <= kMostBytes, WeightsError, path, ": a model of ", bytes,
             " bytes; ONNX files hold at most ", kMostBytes);
  ProtobufMessage head = head_of_model(notes);
  head.begin(model::kGraph, bytes);
  AtomicFile file(path);
  file.write(head.bytes());
  file.write(rest.bytes());
  for (size_t i = 0; i < constants_.size(); ++i) {
    file.write(heads[i]);
    file.write(constants_[i].data(), static_cast<int64_t>(constants_[i].bytes()));
  }
  file.commit();
}

}  // namespace rela
