#include <gmock/gmock.h>

#include <algorithm>

#include "nn/resnet.h"
#include "nn/state.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using test::TempDir;
using testing::ElementsAreArray;
using testing::HasSubstr;

/// Convolution, norm: every kind of tensor that a state holds.
struct ConvNorm : Module {
  explicit ConvNorm(int64_t in = 2) : conv({.in = in, .out = 3, .kernel = 3}) {
    add_child("conv", conv);
    add_child("bn", norm);
    initialize(*this, 1);
  }
  Conv2d conv;
  BatchNorm norm{3, BatchNorm::Activation::kNone};
};

std::string bytes_of(const Module& module) {
  std::string bytes;
  for (const StateTensor& t : state_of(module))
    bytes.append(static_cast<const char*>(t.value.raw()), t.value.bytes());
  return bytes;
}

/// Writes zeros under these names and shapes.
struct NamedShape {
  std::string name;
  Shape shape;
};
void write_zeros(const std::string& path, const std::vector<NamedShape>& wanted) {
  static const std::vector<float> zeros(1000);
  std::vector<SafetensorsTensor> tensors;
  tensors.reserve(wanted.size());
  for (const NamedShape& w : wanted)
    tensors.push_back({w.name, WireDtype::kF32, w.shape, zeros.data()});
  write_safetensors(path, tensors);
}

void load(const std::string& path, const Module& module, const LoadOptions& options = {}) {
  std::vector<StateTensor> state = state_of(module);
  load_state(SafetensorsReader(path), state, options);
}

std::string error_of_loading(const std::string& path, const Module& module) {
  try {
    load(path, module);
  } catch (const WeightsError& e) {
    return e.what();
  }
  return "no error";
}

TEST(State, ConvolutionWeightsAreFiltersByChannelsFirstInTheFile) {
  const TempDir dir;
  const std::string path = dir / "conv.safetensors";
  const ConvNorm model;
  const std::vector<StateTensor> state = state_of(model);
  save_state(path, state);
  const SafetensorsReader file(path);
  ASSERT_NE(file.find("conv.weight"), nullptr);
  EXPECT_EQ(file.find("conv.weight")->shape, (Shape{3, 2, 3, 3}));
  std::vector<float> values(54);
  file.read_as_f32("conv.weight", values.data(), 54);
  EXPECT_THAT(values, ElementsAreArray(test::torch_order(state.front())));
}

TEST(State, WholeModelComesBackBitForBit) {
  const TempDir dir;
  const std::string path = dir / "model.safetensors";
  ResNet saved({.width = 3});
  ResNet loaded({.width = 3});
  initialize(saved, 1);
  initialize(loaded, 2);
  const Tensor images = test::formula_images("images", 2);
  saved.forward(Var(images), {});  // updates running statistics and counters
  save_state(path, state_of(saved), {{"epoch", "3"}});
  ASSERT_NE(bytes_of(loaded), bytes_of(saved));
  load(path, loaded);
  EXPECT_EQ(bytes_of(loaded), bytes_of(saved));
  EXPECT_EQ(SafetensorsReader(path).metadata().at("epoch"), "3");
}

TEST(State, SameStateGivesTheSameBytes) {
  const TempDir dir;
  const ConvNorm model;
  save_state(dir / "a", state_of(model));
  save_state(dir / "b", state_of(model));
  EXPECT_EQ(read_file(dir / "a"), read_file(dir / "b"));
}

TEST(State, LoadingNamesEveryMistake) {
  const TempDir dir;
  const std::string path = dir / "other.safetensors";
  write_zeros(path, {{"conv.weight", {3, 4, 3, 3}},
                     {"bn.weight", {3}},
                     {"bn.running_mean", {3}},
                     {"bn.running_var", {5}},
                     {"fc.bias", {10}}});
  const ConvNorm model;
  EXPECT_EQ(
      error_of_loading(path, model),
      path +
          ": the weights do not fit this model: 1 missing, 1 unexpected, 2 of wrong shape or type; "
          "check that they are of the model that was named, in its shape\n"
          "  missing: bn.bias\n"
          "  unexpected: fc.bias\n"
          "  wrong shape or type: conv.weight: model [3, 2, 3, 3], file [3, 4, 3, 3]\n"
          "  wrong shape or type: bn.running_var: model [3], file [5]");
}

TEST(State, LongListsOfMistakesAreCutAtTen) {
  const TempDir dir;
  const std::string path = dir / "stem.safetensors";
  write_zeros(path, {{"conv1.weight", {3, 3, 3, 3}}});
  const ResNet model({.blocks = {2, 2, 2, 2}, .width = 3, .cifar_stem = true});
  const std::string text = error_of_loading(path, model);
  EXPECT_THAT(text, HasSubstr("99 missing, 0 unexpected, 0 of wrong shape or type"));
  EXPECT_THAT(text, HasSubstr("\n  missing: 89 more"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 11);
}

TEST(State, NothingChangesWhenAFileDoesNotFit) {
  const TempDir dir;
  const std::string path = dir / "wrong.safetensors";
  ConvNorm wider(4);
  save_state(path, state_of(wider));
  const ConvNorm model;
  const std::string before = bytes_of(model);
  EXPECT_THROW(load(path, model), WeightsError);
  EXPECT_EQ(bytes_of(model), before);
}

TEST(State, APartIsLoadedWhereThatIsAllowed) {
  const TempDir dir;
  const std::string path = dir / "part.safetensors";
  write_zeros(path, {{"conv.weight", {3, 4, 3, 3}}, {"bn.weight", {3}}, {"fc.bias", {10}}});
  const ConvNorm model;
  std::vector<StateTensor> state = state_of(model);
  const std::vector<float> conv = test::torch_order(state.front());
  const LoadReport report = load_state(SafetensorsReader(path), state, {.allow_partial = true});
  EXPECT_EQ(report.loaded, 1);
  EXPECT_EQ(report.missing, 3);
  EXPECT_EQ(report.unexpected, 1);
  EXPECT_EQ(report.mismatched, 1);
  EXPECT_FALSE(report.is_complete());
  EXPECT_THAT(report.mistakes, HasSubstr("missing: bn.running_var"));
  EXPECT_THAT(model.parameters()[1].var.value().span<float>(), testing::Each(0));
  EXPECT_EQ(test::torch_order(state.front()), conv);
  write_zeros(path, {{"fc.bias", {10}}});
  EXPECT_THROW(load_state(SafetensorsReader(path), state, {.allow_partial = true}), WeightsError);
}

TEST(State, CountersThatAFileLacksStayAsTheyAre) {
  const TempDir dir;
  const std::string path = dir / "old.safetensors";
  write_zeros(path, {{"conv.weight", {3, 2, 3, 3}},
                     {"bn.weight", {3}},
                     {"bn.bias", {3}},
                     {"bn.running_mean", {3}},
                     {"bn.running_var", {3}}});
  ConvNorm model;
  model.norm.forward(Var(Tensor::zeros({4, 3}, Dtype::kF32)), {.groups = 2});
  load(path, model);
  EXPECT_EQ(*model.buffers().back().value.data<int64_t>(), 2);
  EXPECT_THAT(model.norm.buffers()[1].value.span<float>(), testing::Each(0));
}

TEST(State, PrefixesPickOneModelOutOfAFile) {
  const TempDir dir;
  const std::string path = dir / "checkpoint.safetensors";
  ConvNorm saved;
  initialize(saved, 3);
  std::vector<StateTensor> all = state_of(saved, "online");
  for (const StateTensor& t : state_of(ConvNorm(4), "target")) all.push_back(t);
  all.push_back({"online.fc.bias", Tensor::zeros({10}, Dtype::kF32)});
  save_state(path, all);
  ConvNorm model;
  EXPECT_THAT([&] { load(path, model, {.file_prefix = "online"}); },
              testing::ThrowsMessage<WeightsError>(HasSubstr("unexpected: online.fc.bias")));
  load(path, model, {.file_prefix = "online", .ignored_prefixes = {"online.fc."}});
  EXPECT_EQ(bytes_of(model), bytes_of(saved));
}

}  // namespace
}  // namespace rela
