#pragma once

#include <vector>

#include "tests/support/op_case.h"

namespace rela::test {

// One function per file of cases/.
std::vector<OpCase> attention_cases();
std::vector<OpCase> batch_norm_cases();
std::vector<OpCase> conv2d_cases();
std::vector<OpCase> elementwise_cases();
std::vector<OpCase> embed_cases();
std::vector<OpCase> linear_cases();
std::vector<OpCase> loss_cases();
std::vector<OpCase> pool_cases();
std::vector<OpCase> transformer_cases();
std::vector<OpCase> transport_cases();

std::vector<OpCase> all_op_cases();

}  // namespace rela::test
