// The structure of exported models. What they compute is compared in ONNX Runtime by
// tests/apps/test_onnx.py, where that is installed.

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "nn/resnet.h"
#include "nn/state.h"
#include "nn/vit.h"
#include "rela/onnx/export_onnx.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/protobuf.h"
#include "tests/rela/onnx/onnx_reader.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using test::OnnxConstant;
using test::OnnxFile;
using test::OnnxNode;
using testing::ElementsAre;
using testing::Pair;

TEST(Protobuf, MessagesAreThoseOfTheFormatsDocumentation) {
  ProtobufMessage number;
  number.add(1, int64_t{150});
  EXPECT_EQ(number.bytes(), "\x08\x96\x01");
  ProtobufMessage text;
  text.add(2, std::string_view("testing"));
  EXPECT_EQ(text.bytes(), "\x12\x07testing");
  ProtobufMessage outer;
  outer.add(3, number);
  EXPECT_EQ(outer.bytes(), "\x1a\x03\x08\x96\x01");
  ProtobufMessage rest;
  rest.add(20, int64_t{-1});
  rest.add(4, 1.0f);
  EXPECT_EQ(rest.bytes(), std::string("\xa0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                                      "\x25\x00\x00\x80\x3f",
                                      17));
}

/// An exported model, and what it was made of.
struct Exported {
  explicit Exported(const BackboneSpec& spec) : Exported(spec, make_backbone(spec)) {}
  Exported(const BackboneSpec& spec, std::unique_ptr<Backbone> model) : backbone(std::move(model)) {
    initialize(*backbone, 3);
    export_onnx(dir / "m.onnx", {.spec = spec, .weights_file = {}, .input = usual_input(spec)},
                *backbone);
    bytes = read_file(dir / "m.onnx");
    file = std::make_unique<OnnxFile>(bytes);
  }

  std::map<std::string, int> ops() const {
    std::map<std::string, int> count;
    for (const OnnxNode& node : file->nodes) ++count[node.op];
    return count;
  }

  test::TempDir dir;
  std::unique_ptr<Backbone> backbone;
  std::string bytes;
  std::unique_ptr<OnnxFile> file;
};

/// Every value is a constant, the input, or the output of an earlier node; all constants are used
/// and hold as many bytes as their shapes say; all weights of the model are among them.
void expect_sound(const Exported& exported) {
  const OnnxFile& file = *exported.file;
  EXPECT_EQ(file.opset, 17u);
  EXPECT_EQ(file.input, "images");
  EXPECT_EQ(file.output, "features");
  std::set<std::string> known{file.input};
  std::set<std::string> unused;
  for (const auto& [name, constant] : file.constants) {
    known.insert(name);
    unused.insert(name);
    size_t bytes = constant.type == 1 ? 4 : 8;
    for (const int64_t size : constant.dims) bytes *= static_cast<size_t>(size);
    EXPECT_EQ(constant.data.size(), bytes) << name;
  }
  for (const OnnxNode& node : file.nodes) {
    for (const std::string& value : node.inputs) {
      EXPECT_TRUE(known.contains(value)) << value;
      unused.erase(value);
    }
    EXPECT_TRUE(known.insert(node.output).second) << node.output;
  }
  EXPECT_EQ(file.nodes.back().output, "features");
  EXPECT_TRUE(unused.empty()) << *unused.begin();
  for (const StateTensor& t : state_of(*exported.backbone)) {
    const bool is_there =
        file.constants.contains(t.name) || file.constants.contains(t.name + ".transposed");
    EXPECT_TRUE(is_there || t.value.dtype() == Dtype::kI64) << t.name;
  }
}

std::vector<float> floats(const OnnxConstant& constant) {
  std::vector<float> values(constant.data.size() / sizeof(float));
  std::memcpy(values.data(), constant.data.data(), constant.data.size());
  return values;
}

TEST(Onnx, AResNetHasItsLayersInOrder) {
  const Exported exported(ResNetSpec{.name = "resnet18", .cifar_stem = false, .width = 2});
  expect_sound(exported);
  EXPECT_THAT(exported.ops(),
              ElementsAre(Pair("Add", 8), Pair("BatchNormalization", 20), Pair("Conv", 20),
                          Pair("Flatten", 1), Pair("GlobalAveragePool", 1), Pair("Identity", 1),
                          Pair("MaxPool", 1), Pair("Relu", 17)));
  const OnnxNode& stem = exported.file->nodes.front();
  EXPECT_EQ(stem.integers.at("strides"), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(stem.integers.at("pads"), (std::vector<int64_t>{3, 3, 3, 3}));
  EXPECT_THAT(exported.file->constants.at("conv1.weight").dims, ElementsAre(2, 3, 7, 7));
  const StateTensor weight = state_of(*exported.backbone).front();
  const Tensor in_file = tensor_in_file(weight);
  EXPECT_THAT(floats(exported.file->constants.at("conv1.weight")),
              testing::ElementsAreArray(in_file.span<float>()));
}

/// Strides of the convolutions with these weights.
std::vector<int64_t> strides_of(const Exported& exported, const std::vector<std::string>& names) {
  std::vector<int64_t> strides;
  for (const std::string& name : names) {
    for (const OnnxNode& node : exported.file->nodes) {
      if (node.op == "Conv" && node.inputs[1] == name)
        strides.push_back(node.integers.at("strides")[0]);
    }
  }
  return strides;
}

TEST(Onnx, BottlenecksAreStridedInTheMiddle) {
  const Exported exported(ResNetSpec{.name = "resnet50", .width = 1});
  expect_sound(exported);
  EXPECT_EQ(exported.ops().at("Conv"), 53);
  EXPECT_FALSE(exported.ops().contains("MaxPool"));
  EXPECT_THAT(strides_of(exported, {"layer2.0.conv1.weight", "layer2.0.conv2.weight",
                                    "layer2.0.conv3.weight", "layer2.0.downsample.0.weight",
                                    "layer1.0.conv2.weight", "layer2.1.conv2.weight"}),
              ElementsAre(1, 2, 1, 2, 1, 1));
}

TEST(Onnx, ShortcutsWithoutParametersSliceAndPad) {
  const Exported exported(CifarResNetSpec{});
  expect_sound(exported);
  EXPECT_EQ(exported.ops().at("Slice"), 2);
  EXPECT_EQ(exported.ops().at("Pad"), 2);
  EXPECT_EQ(exported.ops().at("Add"), 9);
}

TEST(Onnx, AVisionTransformerHasItsBlocks) {
  const Exported exported(VitSpec{.name = "vit_tiny_patch4_32", .image_size = 16});
  expect_sound(exported);
  const std::map<std::string, int> ops = exported.ops();
  EXPECT_EQ(ops.at("LayerNormalization"), 25);
  EXPECT_EQ(ops.at("Softmax"), 12);
  EXPECT_EQ(ops.at("Erf"), 12);
  EXPECT_EQ(ops.at("MatMul"), 12 * 6);
  const OnnxConstant& transposed =
      exported.file->constants.at("blocks.0.attn.qkv.weight.transposed");
  EXPECT_THAT(transposed.dims, ElementsAre(192, 576));
  for (const StateTensor& t : state_of(*exported.backbone)) {
    if (t.name != "blocks.0.attn.qkv.weight") continue;
    EXPECT_EQ(floats(transposed)[1], t.value.data<float>()[192]);
  }
}

TEST(Onnx, TheMeanOfThePatchesIsNormedAfterwards) {
  const Exported exported(
      VitSpec{.name = "vit_tiny_patch4_32", .image_size = 16, .pooling = VitSpec::Pooling::kMean});
  expect_sound(exported);
  EXPECT_EQ(exported.ops().at("ReduceMean"), 1);
  EXPECT_EQ(exported.ops().at("LayerNormalization"), 25);
}

/// What DINOv2 and CLIP have beside other vision transformers.
TEST(Onnx, LayerScaleRegistersNormAndProjectionAreExported) {
  const Exported exported(VitSpec{}, std::make_unique<VisionTransformer>(
                                         VisionTransformer::Spec{.image_size = 32,
                                                                 .patch = 8,
                                                                 .width = 48,
                                                                 .depth = 2,
                                                                 .heads = 3,
                                                                 .activation = Gelu::kQuick,
                                                                 .layer_scale = true,
                                                                 .registers = 4,
                                                                 .class_position = false,
                                                                 .patch_bias = false,
                                                                 .pre_norm = true,
                                                                 .projection = 24}));
  expect_sound(exported);
  const std::map<std::string, int> ops = exported.ops();
  EXPECT_EQ(ops.at("Sigmoid"), 2);
  EXPECT_FALSE(ops.contains("Erf"));
  EXPECT_EQ(ops.at("Expand"), 2);
  EXPECT_EQ(ops.at("LayerNormalization"), 6);
  EXPECT_EQ(ops.at("MatMul"), 2 * 6 + 1);
}

/// A part of a model that the export does not know must not be left out silently.
TEST(Onnx, UnknownPartsAreRefused) {
  struct Odd : ResNet {
    Odd() : ResNet({.blocks = {1}, .width = 1}) {
      extra = add_parameter("layer1.0.scale", {1}, ParameterKind::kBias, {});
    }
    Var extra;
  };
  const test::TempDir dir;
  const ModelSource source{.spec = ResNetSpec{}, .weights_file = {}, .input = {}};
  EXPECT_THAT([&] { export_onnx(dir / "m.onnx", source, Odd()); },
              testing::ThrowsMessage<UnsupportedError>(testing::HasSubstr(
                  "resnet18 has layer1.0.scale, which the export does not know")));
}

}  // namespace
}  // namespace rela
