#include "tests/kernels/op_cases.h"

#include <iterator>

namespace rela::test {

std::vector<OpCase> all_op_cases() {
  std::vector<OpCase> all;
  for (auto* family :
       {attention_cases, batch_norm_cases, conv2d_cases, elementwise_cases, embed_cases,
        linear_cases, loss_cases, pool_cases, transformer_cases, transport_cases}) {
    std::vector<OpCase> cases = family();
    std::move(cases.begin(), cases.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace rela::test
