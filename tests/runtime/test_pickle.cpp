#include "runtime/io/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/io/torch_contents.h"

namespace rela {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;
using testing::HasSubstr;

std::string error_of(const std::string& bytes, bool is_script = false) {
  try {
    const Pickle pickle =
        parse_pickle(bytes, {.name = "data.pkl", .allow_script_classes = is_script});
    tensors_in(pickle);
    return "no error";
  } catch (const PickleError& error) {
    return error.what();
  }
}

TEST(Pickle, ReadsNumbersAndText) {
  // What Python gives for (None, True, -3, 300, 70000, 2**40, -2**40, 0.125, "é"), protocol 2.
  const std::string bytes =
      "\x80\x02(N\x88J\xfd\xff\xff\xffM\x2c\x01J\x70\x11\x01\x00\x8a\x06\x00\x00\x00\x00\x00\x01"
      "\x8a\x06\x00\x00\x00\x00\x00\xff"
      "G\x3f\xc0\x00\x00\x00\x00\x00\x00X\x02\x00\x00\x00\xc3\xa9t."s;
  const Pickle pickle = parse_pickle(bytes);
  const auto* tuple = pickle.as<PickleList>(pickle.root);
  ASSERT_NE(tuple, nullptr);
  ASSERT_EQ(tuple->items.size(), 9u);
  EXPECT_TRUE(tuple->is_tuple);
  EXPECT_NE(pickle.as<std::nullptr_t>(tuple->items[0]), nullptr);
  EXPECT_EQ(*pickle.as<bool>(tuple->items[1]), true);
  std::vector<int64_t> numbers;
  for (size_t i = 2; i < 7; ++i) numbers.push_back(*pickle.as<int64_t>(tuple->items[i]));
  EXPECT_THAT(numbers, ElementsAre(-3, 300, 70000, int64_t{1} << 40, -(int64_t{1} << 40)));
  EXPECT_EQ(*pickle.as<double>(tuple->items[7]), 0.125);
  EXPECT_EQ(*pickle.as<std::string>(tuple->items[8]), "é");
  EXPECT_EQ(pickle.bytes, static_cast<int64_t>(bytes.size()));
}

TEST(Pickle, StopsAtTheEndOfTheFirstPickle) { EXPECT_EQ(parse_pickle("N.rest").bytes, 2); }

TEST(Pickle, ALoopIsReadAndNotWalkedForever) {
  EXPECT_EQ(error_of("]q\0h\0a."s),
            "values are nested deeper than 64 levels, in "
            "\"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"
            ".0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0...");
}

TEST(Pickle, SharedListsAreNotWalkedByEveryWay) {
  std::string bytes = "]q\0"s;  // 2^50 ways to the innermost list
  for (char i = 1; i <= 50; ++i)
    bytes += "]q"s + i + "(h" + static_cast<char>(i - 1) + "h" + static_cast<char>(i - 1) + "e";
  EXPECT_THAT(error_of(bytes + "."), HasSubstr("more than 1000000 values"));
}

struct Hostile {
  const char* name;
  std::string bytes;
  const char* reason;
};
void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.name; }

class HostilePickle : public testing::TestWithParam<Hostile> {};
TEST_P(HostilePickle, IsRefusedWithTheReason) {
  EXPECT_THAT(error_of(GetParam().bytes), HasSubstr(GetParam().reason));
}

std::vector<Hostile> globals() {
  return {
      {"System",
       "\x80\x02"
       "cos\nsystem\n(X\x02\x00\x00\x00lstR."s,
       "global os.system at byte 2 of data.pkl is not allowed"},
      {"ByStack", "\x80\x04\x8c\x02os\x8c\x06system\x93."s,
       "global os.system at byte 14 of data.pkl"},
      {"Eval", "c__builtin__\neval\n.", "global __builtin__.eval at byte 0"},
      {"AttributeOfAllowed", "ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
       "global torch._utils._rebuild_tensor_v2.__globals__ at byte 0"},
      {"ScriptClassElsewhere", "c__torch__.a\nB\n.", "global __torch__.a.B at byte 0"},
      {"AModel", "ctorchvision.models.resnet\nResNet\n.", "save the state_dict of the model alone"},
      {"ControlCharacters", "c\x1b[2J\nx\n.", "global \"\\u001b[2J.x\" at byte 0"},
      {"EndlessName", std::string("c") + std::string(5000, 'x'),
       "a name at byte 1 of data.pkl does not end"},
      {"CallOfAStorageType", "ctorch\nFloatStorage\n)R.",
       "a call of torch.FloatStorage at byte 21 of data.pkl is not allowed"},
      {"CallOfAText", "U\x01x)R.", "a class or function is expected"},
      {"Int", "I1\n.", "opcode 73 at byte 0 of data.pkl is not allowed"},
      {"Inst", "(ios\nsystem\n.", "opcode 105 at byte 1"},
      {"Extension", "\x82\x01.", "opcode 130 at byte 0"},
      {"NewObjEx", "\x92.", "opcode 146 at byte 0"},
      {"Buffer", "\x97.", "opcode 151 at byte 0"},
  };
}

std::vector<Hostile> damages() {
  return {
      {"Empty", "", "data.pkl ends at byte 0"},
      {"NoStop", "N", "data.pkl ends at byte 1"},
      {"StopOfNothing", ".", "a value is missing"},
      {"StopInsideMark", "N(.", "a value is missing"},
      {"TextBeyondTheEnd",
       "X\xff\xff\xff\xff"
       "abc"s,
       "inside a value of 4294967295 bytes at 5"},
      {"TextFarBeyond", "\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "18446744073709551615 bytes"},
      {"LongFarBeyond", "\x8b\xff\xff\xff\xff.", "inside a value of 4294967295 bytes"},
      {"UnknownProtocol", "\x80\x06N.", "an unknown protocol"},
      {"TupleWithoutMark", "NNt.", "a mark is missing"},
      {"TupleOfTooFew", "N\x86.", "a value is missing"},
      {"TupleBelowMark", "N(N\x86.", "a value is missing"},
      {"AppendToANumber", "K\x01Na.", "a list is expected"},
      {"AppendToATuple", ")Na.", "a list is expected and a tuple is there"},
      {"OddDict", "}(Nu.", "a dict's value is missing"},
      {"SetItemOfAList", "]NNs.", "a dict is expected"},
      {"NeverRemembered", "h\x07.", "a value that was never remembered"},
      {"RememberNothing", "q\x07.", "a value is missing"},
      {"DeepMarks", std::string(20'000, '('), "nested deeper than 10000 levels"},
      {"ManyValues", std::string(2'000'000, '}'), "more than 1000000 values"},
      {"ManyNones", std::string(2'000'000, 'N'), "more than 1000000 values"},
      {"DeepLists", std::string(100, ']') + std::string(99, 'a') + ".",
       "nested deeper than 64 levels"},
      {"KeyIsATuple", "})]s.", "is neither text nor an integer"},
      {"KeyIsNotUtf8", "}U\x01\xff]s.", "is not UTF-8"},
      {"OrderedDictOfNumbers",
       "ccollections\nOrderedDict\n](K\x01K\x02"
       "e\x85R.",
       "a pair is expected"},
  };
}

std::vector<Hostile> tensors() {
  const std::string storage =
      "(U\x07storagectorch\nFloatStorage\nU\x01"
      "0U\x03"
      "cpuK\x04tQ";
  const std::string rebuild = "ctorch._utils\n_rebuild_tensor_v2\n(";
  return {
      {"StorageOfFour", "(U\x07storageNNNtQ.", "a storage's five facts are expected and 4"},
      {"StorageOfAnotherKind", "(U\x06moduleNNNNtQ.", "a storage is expected"},
      {"StorageTypeIsText", "(U\x07storageU\x01xNNNtQ.", "a storage's type is expected"},
      {"StorageTypeIsAFunction",
       "(U\x07storagectorch\nSize\nU\x01"
       "0U\x03"
       "cpuK\x04tQ.",
       "torch.Size is no type of a storage"},
      {"StorageSizeIsText",
       "(U\x07storagectorch\nFloatStorage\nU\x01"
       "0U\x03"
       "cpuU\x01xtQ.",
       "a storage's size is expected"},
      {"StorageIsAView",
       "(U\x07storagectorch\nFloatStorage\nU\x01"
       "0U\x03"
       "cpuK\x04)tQ.",
       "a storage that is a view of another"},
      {"QuantisedStorage", "ctorch\nQInt8Storage\n.", "global torch.QInt8Storage at byte 0"},
      {"TensorOfNothing", rebuild + "tR.", "an argument of a tensor is missing"},
      {"TensorOfATuple", rebuild + ")K\x00)))tR."s, "a storage is expected"},
      {"ShapeIsANumber", rebuild + storage + "K\x00K\x01)tR."s, "a tensor's shape is expected"},
      {"ShapeOfText", rebuild + storage + "K\x00U\x01x\x85)tR."s, "a tensor's shape is expected"},
      {"NewTensor", "ctorch._tensor\n_rebuild_from_type_v2\n.", "_rebuild_from_type_v2 at byte 0"},
  };
}

const auto kName = [](const testing::TestParamInfo<Hostile>& info) { return info.param.name; };
INSTANTIATE_TEST_SUITE_P(Globals, HostilePickle, testing::ValuesIn(globals()), kName);
INSTANTIATE_TEST_SUITE_P(Damages, HostilePickle, testing::ValuesIn(damages()), kName);
INSTANTIATE_TEST_SUITE_P(Tensors, HostilePickle, testing::ValuesIn(tensors()), kName);

TEST(Pickle, TorchScriptsClassesAreAllowedWhereAskedFor) {
  EXPECT_EQ(error_of("c__torch__.a\nB\n)\x81}U\x01xNsb.", true), "no error");
}

}  // namespace
}  // namespace rela
