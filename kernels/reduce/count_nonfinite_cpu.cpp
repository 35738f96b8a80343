#include "kernels/reduce/count_nonfinite.h"

#include "kernels/cpu/reduce_parts.h"

namespace rela {
namespace {

// Tests the bits: an exponent of all ones.
bool is_nonfinite(uint32_t bits) { return (bits & 0x7f800000u) == 0x7f800000u; }
bool is_nonfinite(Bf16 x) { return is_nonfinite(static_cast<uint32_t>(x.bits) << 16); }
bool is_nonfinite(float x) { return is_nonfinite(std::bit_cast<uint32_t>(x)); }

template <class T>
int64_t count(const T* x, int64_t n) {
  return reduce_parts<int64_t>(n, [x](int64_t begin, int64_t end) {
    int32_t found = 0;
    for (int64_t i = begin; i < end; ++i) found += is_nonfinite(x[i]) ? 1 : 0;
    return int64_t{found};
  });
}

}  // namespace

void count_nonfinite_cpu(const void* x, int64_t n, Dtype dtype, int64_t* result, Workspace,
                         Stream) {
  *result = dtype == Dtype::kBf16 ? count(static_cast<const Bf16*>(x), n)
                                  : count(static_cast<const float*>(x), n);
}

}  // namespace rela
