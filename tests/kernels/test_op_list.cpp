// Every op that ops.h declares is tested.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

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
