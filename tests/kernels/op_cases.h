#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/transport/transport_loss.h"
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

/// Sizes of a step that bench/ also times below the op: a layer of ViT-B/16; two views of 512
/// images, and a map between features of one width.
AttentionDims vit_attention(int64_t images);
TransportDims transport_step(int64_t width);
/// The costs of an attention's passes; `e` is the bytes of an element.
std::vector<OpPass> attention_passes(const AttentionDims& d, double e);

/// All cases of one kind.
std::vector<OpCase> op_cases(CaseUse use);

/// The case, for bench/: at the size of a step on a CPU, or on a GPU.
inline OpCase benchmark_case(OpCase c) {
  c.use = CaseUse::kBenchmark;
  return c;
}
inline OpCase gpu_benchmark_case(OpCase c) {
  c.use = CaseUse::kGpuBenchmark;
  return c;
}

/// A case to be tested in one of the types that it is defined for.
struct CaseRun {
  OpCase op_case;
  OpRun run;
};
std::ostream& operator<<(std::ostream& out, const CaseRun& c);
/// Of every tested case on the device; those in bf16 also run in f16 on cuda.
std::vector<CaseRun> case_runs(Device device);
/// Names for gtest: "batch_norm_plain", "batch_norm_plain_bf16".
std::string test_name(const OpCase& c);
std::string test_name(const CaseRun& c);

}  // namespace rela::test
