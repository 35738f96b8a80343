#include "tests/kernels/op_cases.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <ostream>

namespace rela::test {

std::vector<OpCase> op_cases(CaseUse use) {
  std::vector<OpCase> all;
  for (auto* family :
       {attention_cases, batch_norm_cases, conv2d_cases, elementwise_cases, embed_cases,
        linear_cases, loss_cases, pool_cases, transformer_cases, transport_cases}) {
    std::ranges::copy_if(family(), std::back_inserter(all),
                         [&](const OpCase& c) { return c.use == use; });
  }
  return all;
}

std::ostream& operator<<(std::ostream& out, const CaseRun& c) {
  return out << c.op_case << " in " << c.run;
}

std::vector<CaseRun> case_runs(Device device) {
  std::vector<CaseRun> runs;
  for (const OpCase& c : op_cases(CaseUse::kTest)) {
    for (const Dtype dtype : c.dtypes) {
      runs.push_back({c, {dtype, device}});
      if (dtype == Dtype::kBf16 && device == Device::kCuda)
        runs.push_back({c, {Dtype::kF16, device}});
    }
  }
  return runs;
}

std::string test_name(const OpCase& c) {
  std::string name = c.name;
  std::ranges::replace_if(
      name, [](unsigned char letter) { return !std::isalnum(letter); }, '_');
  return name;
}
std::string test_name(const CaseRun& c) {
  return test_name(c.op_case) + "_" + dtype_name(c.run.dtype);
}

}  // namespace rela::test
