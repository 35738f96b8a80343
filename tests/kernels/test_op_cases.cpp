// Every differentiable op against its double-precision oracle.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <ostream>

#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

/// A case in one of the types it is defined for.
struct TypedCase {
  OpCase op_case;
  Dtype dtype;
};
std::ostream& operator<<(std::ostream& out, const TypedCase& c) {
  return out << c.op_case << " in " << dtype_name(c.dtype);
}

std::vector<TypedCase> all_typed_cases() {
  std::vector<TypedCase> typed;
  for (const OpCase& c : all_op_cases()) {
    for (const Dtype dtype : c.dtypes) typed.push_back({c, dtype});
  }
  return typed;
}

std::string test_name(std::string name) {
  std::ranges::replace_if(
      name, [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

class Oracle : public testing::TestWithParam<OpCase> {};

TEST_P(Oracle, BackwardMatchesFiniteDifferences) { EXPECT_EQ(check_oracle(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(All, Oracle, testing::ValuesIn(all_op_cases()),
                         [](const auto& info) { return test_name(info.param.name); });

class Op : public testing::TestWithParam<TypedCase> {};

TEST_P(Op, MatchesOracle) { EXPECT_EQ(check_op(GetParam().op_case, GetParam().dtype), ""); }

TEST_P(Op, AccumulatesGradients) {
  EXPECT_EQ(check_op_accumulates(GetParam().op_case, GetParam().dtype), "");
}

INSTANTIATE_TEST_SUITE_P(All, Op, testing::ValuesIn(all_typed_cases()), [](const auto& info) {
  return test_name(info.param.op_case.name + "_" + dtype_name(info.param.dtype));
});

}  // namespace
}  // namespace rela::test
