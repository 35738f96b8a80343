// Every differentiable op against its double-precision oracle.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

class OpCases : public testing::TestWithParam<OpCase> {
 protected:
  bool runs_in(Dtype dtype) const { return std::ranges::count(GetParam().dtypes, dtype) > 0; }
};

TEST_P(OpCases, OracleBackwardMatchesFiniteDifferences) { EXPECT_EQ(check_oracle(GetParam()), ""); }

TEST_P(OpCases, MatchesOracleInF32) {
  if (!runs_in(Dtype::kF32)) GTEST_SKIP() << "no f32 form";
  EXPECT_EQ(check_op(GetParam(), Dtype::kF32), "");
}

TEST_P(OpCases, MatchesOracleInBf16) {
  if (!runs_in(Dtype::kBf16)) GTEST_SKIP() << "no bf16 form";
  EXPECT_EQ(check_op(GetParam(), Dtype::kBf16), "");
}

TEST_P(OpCases, AccumulatesGradientsInF32) {
  if (!runs_in(Dtype::kF32)) GTEST_SKIP() << "no f32 form";
  EXPECT_EQ(check_op_accumulates(GetParam(), Dtype::kF32), "");
}

TEST_P(OpCases, AccumulatesGradientsInBf16) {
  if (!runs_in(Dtype::kBf16)) GTEST_SKIP() << "no bf16 form";
  EXPECT_EQ(check_op_accumulates(GetParam(), Dtype::kBf16), "");
}

INSTANTIATE_TEST_SUITE_P(All, OpCases, testing::ValuesIn(all_op_cases()), [](const auto& info) {
  std::string name = info.param.name;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

TEST(OpList, EveryDeclaredOpHasACase) {
  std::ifstream header(RELA_OPS_HEADER);
  std::stringstream text;
  text << header.rdbuf();
  const std::vector<std::string> declared = declared_ops(text.str());
  ASSERT_GE(declared.size(), 5u) << "cannot read the declarations in " << RELA_OPS_HEADER;
  std::set<std::string> covered;
  for (const OpCase& c : all_op_cases()) covered.insert(c.op());
  for (const std::string& op : declared) EXPECT_TRUE(covered.contains(op)) << op << " has no case";
  for (const std::string& op : covered) {
    EXPECT_TRUE(std::ranges::count(declared, op)) << op << " is not declared in ops.h";
  }
}

}  // namespace
}  // namespace rela::test
