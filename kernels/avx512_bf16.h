#pragma once
// For kernels that are compiled for AVX-512 BF16 whatever the build is tuned for, and chosen at run
// time by cpu_has_bf16().

#ifdef __x86_64__
#include <immintrin.h>

// Stands before the function. A lambda or template that it calls is not covered.
#define RELA_AVX512_BF16 [[gnu::target("avx512f,avx512bw,avx512bf16")]]
#endif
