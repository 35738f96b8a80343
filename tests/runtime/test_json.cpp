#include "runtime/io/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace rela {
namespace {

std::string error_of(std::string_view text, JsonLimits limits = {}) {
  try {
    parse_json(text, limits);
  } catch (const JsonError& error) {
    return error.what();
  }
  return "accepted";
}

std::string round_trip(std::string_view text) {
  return to_json_text(parse_json(text), JsonLayout::kCompact);
}

TEST(Json, KeepsOrderTypesAndValues) {
  const std::string text =
      R"({"z":1,"a":-2,"real":2.0,"big":18446744073709551615,"t":true,"n":null,"s":"x\"\u0007é","l":[1,[],{}]})";
  EXPECT_EQ(round_trip(text), text);
  const JsonValue value = parse_json(text);
  EXPECT_TRUE(value.find("a")->is_integer());
  EXPECT_TRUE(value.find("big")->is_integer());
  EXPECT_FALSE(value.find("real")->is_integer());
  EXPECT_EQ(value.find("absent"), nullptr);
  EXPECT_EQ(value.find("z")->find("below a number"), nullptr);
}

TEST(Json, RealsReadBackToTheSameBits) {
  for (const double x : {0.1, 1e-8, 1.0 / 3, 5e-324, std::numeric_limits<double>::max(), -0.0}) {
    const std::string text = to_json_text(JsonValue(x), JsonLayout::kCompact);
    const JsonValue back = parse_json(text);
    ASSERT_NE(back.as<double>(), nullptr) << text;
    EXPECT_EQ(std::signbit(*back.as<double>()), std::signbit(x));
    EXPECT_EQ(*back.as<double>(), x);
  }
}

TEST(Json, EveryValueKnowsItsLine) {
  const JsonValue value =
      parse_json("{\n\"a\": 1\n,\n\"b\": [2,\n3.5\n],\"c\":\n{\"d\":\nnull}}\n");
  EXPECT_EQ(value.line(), 1);
  EXPECT_EQ(value.find("a")->line(), 2);
  EXPECT_EQ(value.find("b")->line(), 4);
  const auto& items = *value.find("b")->as<JsonValue::Array>();
  EXPECT_EQ(items[0].line(), 4);
  EXPECT_EQ(items[1].line(), 5);
  EXPECT_EQ(value.find("c")->line(), 7);
  EXPECT_EQ(value.find("c")->find("d")->line(), 8);
}

TEST(Json, IndentedTextBreaksLinesOnlyAroundNestedValues) {
  EXPECT_EQ(
      to_json_text(parse_json(R"({"a":[1,2],"b":{"c":{},"d":[{"e":1}]}})"), JsonLayout::kIndented),
      "{\n  \"a\": [1, 2],\n  \"b\": {\n    \"c\": {},\n    \"d\": [\n      {\"e\": 1}\n"
      "    ]\n  }\n}");
}

TEST(Json, DuplicateKeysAreRefusedWhereverTheyAre) {
  EXPECT_EQ(error_of("{\"a\": 1,\n \"b\": {\"c\": 1, \"c\": 2}}"),
            "line 2, column 18: key \"c\" is there twice");
  EXPECT_EQ(error_of(R"({"a":{"x":1},"b":{"x":1}})"), "accepted");
  EXPECT_EQ(error_of(R"({"a":1,"\u0061":2})"), "line 1, column 15: key \"a\" is there twice");
}

TEST(Json, CommentsAreCalledSo) {
  for (const char* text : {"{ // why\n\"a\": 1}", "{\"a\": 1, # why\n\"b\": 2}", "/* why */ {}"})
    EXPECT_THAT(error_of(text), testing::HasSubstr("JSON has no comments")) << text;
  EXPECT_THAT(error_of("{a: 1}"), testing::Not(testing::HasSubstr("comments")));
}

TEST(Json, WhatIsNotJsonIsRefused) {
  for (const char* text : {"",
                           " ",
                           "NaN",
                           "[NaN]",
                           "[Infinity]",
                           "[-Infinity]",
                           "[1,]",
                           "{\"a\":1,}",
                           "{a:1}",
                           "['a']",
                           "[01]",
                           "[+1]",
                           "[1.]",
                           "[.5]",
                           "[1e]",
                           "[0x1]",
                           "// c\n1",
                           "/* c */ 1",
                           "[1] 2",
                           "{} {}",
                           "[1",
                           "{\"a\"",
                           "{\"a\":",
                           "\"",
                           "\"\\x\"",
                           "\"\n\"",
                           "tru",
                           "[1e999]",
                           "\"\\ud800\"",
                           "\"\xff\"",
                           "\"\xc0\x80\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xf4\x90\x80\x80\""}) {
    EXPECT_NE(error_of(text), "accepted") << text;
  }
}

TEST(Json, ASyntaxErrorSaysWhereAndWhat) {
  EXPECT_EQ(error_of("{\n  \"lr\": NaN\n}"),
            "line 2, column 9: syntax error while parsing value - invalid literal; last read: "
            "'\"lr\": N'");
}

TEST(Json, NothingHidesBehindANulByte) {
  EXPECT_EQ(error_of(std::string_view("{}\n \0{", 6)), "line 2, column 2: a NUL byte");
  EXPECT_EQ(error_of(std::string_view("\"\0\"", 3)), "line 1, column 2: a NUL byte");
}

TEST(Json, DepthIsLimited) {
  EXPECT_EQ(error_of("[[[]]]", {.max_depth = 3}), "accepted");
  EXPECT_EQ(error_of("[[[[]]]]", {.max_depth = 3}),
            "line 1, column 4: nested deeper than 3 levels");
  EXPECT_EQ(error_of(std::string(1'000'000, '[')),
            "line 1, column 33: nested deeper than 32 levels");
}

TEST(Json, TheNumberOfValuesIsLimited) {
  EXPECT_EQ(error_of("[1,2]", {.max_values = 3}), "accepted");
  EXPECT_EQ(error_of("[1,2,3]", {.max_values = 3}),
            "line 1, column 7: more than 3 values; that many are not accepted");
}

TEST(Json, WhatJsonCannotSayIsNotWritten) {
  EXPECT_THROW(
      to_json_text(JsonValue(std::numeric_limits<double>::quiet_NaN()), JsonLayout::kCompact),
      Error);
  EXPECT_THROW(
      to_json_text(JsonValue(std::numeric_limits<double>::infinity()), JsonLayout::kCompact),
      Error);
  EXPECT_THROW(to_json_text(JsonValue(std::string("\xff")), JsonLayout::kCompact), Error);
}

}  // namespace
}  // namespace rela
