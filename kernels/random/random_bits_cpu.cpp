#include "kernels/random/random_bits.h"

#include "kernels/cpu/parallel.h"

namespace rela {

void random_bits_cpu(uint32_t* bits, int64_t n, const RandomKey& name, Stream) {
  parallel_ranges((n + 3) / 4, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const PhiloxCounter words =
          philox4x32_10(philox_counter(name, static_cast<uint32_t>(block)), philox_key(name));
      for (int64_t i = 0; i < 4 && 4 * block + i < n; ++i)
        bits[4 * block + i] = words[static_cast<size_t>(i)];
    }
  });
}

}  // namespace rela
