#pragma once
// For kernels that are compiled for AVX-512 BF16 whatever CPU the build targets, and selected at
// run time by cpu_has_bf16().

#ifdef __x86_64__
#include <immintrin.h>

// Goes before the function. Lambdas and templates that it calls are not covered.
#define RELA_AVX512_BF16 [[gnu::target("avx512f,avx512bw,avx512bf16")]]
#endif
