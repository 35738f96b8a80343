// Every op that ops.h declares is tested and timed.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

std::vector<std::string> ops_of_header() {
  std::ifstream header(RELA_OPS_HEADER);
  std::stringstream text;
  text << header.rdbuf();
  return declared_ops(text.str());
}

class OpList : public testing::TestWithParam<CaseUse> {};
INSTANTIATE_TEST_SUITE_P(Uses, OpList,
                         testing::Values(CaseUse::kTest, CaseUse::kBenchmark,
                                         CaseUse::kGpuBenchmark),
                         [](const auto& info) {
                           return info.param == CaseUse::kTest        ? "Tests"
                                  : info.param == CaseUse::kBenchmark ? "Benchmarks"
                                                                      : "GpuBenchmarks";
                         });

TEST_P(OpList, EveryDeclaredOpHasACase) {
  const std::vector<std::string> declared = ops_of_header();
  ASSERT_GE(declared.size(), 5u) << "cannot read the declarations in " << RELA_OPS_HEADER;
  std::set<std::string> covered;
  for (const OpCase& c : op_cases(GetParam())) covered.insert(c.op());
  for (const std::string& op : declared) EXPECT_TRUE(covered.contains(op)) << op << " has no case";
  for (const std::string& op : covered) {
    EXPECT_TRUE(std::ranges::count(declared, op)) << op << " is not declared in ops.h";
  }
}

TEST_P(OpList, EveryCaseKnowsItsMemoryTrafficAndArithmetic) {
  for (const OpCase& c : op_cases(GetParam())) {
    ASSERT_TRUE(c.passes) << c << " has no passes";
    const std::vector<OpPass> wide = c.passes(4), narrow = c.passes(2);
    ASSERT_FALSE(wide.empty()) << c;
    EXPECT_EQ(wide.front().name, "forward") << c;
    for (size_t i = 0; i < wide.size(); ++i) {
      const OpPass& pass = wide[i];
      EXPECT_EQ(pass.name.starts_with("backward"), i > 0) << c << ": " << pass.name;
      EXPECT_GE(pass.bytes, narrow[i].bytes) << c << ": " << pass.name;
      EXPECT_EQ(pass.flops, narrow[i].flops) << c << ": " << pass.name;
      if (c.use != CaseUse::kTest) {
        EXPECT_GT(pass.bytes, 0) << c << ": " << pass.name;
      }
    }
  }
}

TEST_P(OpList, InputsThatAreNotTrainedComeLast) {
  for (const OpCase& c : op_cases(GetParam())) {
    EXPECT_TRUE(std::ranges::is_partitioned(c.inputs, [](const OpInput& i) {
      return i.is_trained;
    })) << c;
  }
}

}  // namespace
}  // namespace rela::test
