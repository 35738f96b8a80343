#pragma once
// The launcher and the dialect of every CUDA kernel here. One source, two compilers: nvcc compiles
// it to GPU code, g++ (-x c++) to code that the emulator runs on the CPU, one fiber per thread.
//
//   template <class T>
//   __global__ void __launch_bounds__(256) scale_kernel(T* x, float a, int64_t n) {
//     SIMT_SHARED(float, part, [8]);             // static shared memory: float part[8]
//     SIMT_DYN_SHARED(float, row);               // dynamic shared memory: float* row, 128-aligned
//     ...
//     __syncthreads();                           // part is complete
//   }
//   simt::launch(scale_kernel<float>, {blocks, 256, shared_bytes}, stream, x, a, n);
//
// What a kernel may use besides plain C++ and the thread indices:
//   barriers      __syncthreads, __syncthreads_count/_or/_and, __syncwarp, simt::grid_sync (in a
//                 kernel started by simt::launch_cooperative)
//   warps         __shfl_sync, __shfl_up_sync, __shfl_down_sync, __shfl_xor_sync, __ballot_sync,
//                 __any_sync, __all_sync, __reduce_{add,min,max,and,or,xor}_sync
//   atomics       atomicAdd (int, unsigned, unsigned long long, float, double), atomicMax,
//                 atomicMin, atomicExch, atomicCAS, atomicInc; __threadfence, __threadfence_block
//   16 bytes      simt::load16<V>(p), simt::store16(p, v) with an alignment check; store16_global
//   in
//                 global memory, as one instruction; load16_streaming and store16_streaming for
//                 data that is used once
//   math          expf logf sqrtf rsqrtf tanhf erff __expf __logf __fdividef fmaf min max ...,
//                 __popc __ffs __clz, __float_as_uint, __uint_as_float
//   tensor cores  simt::mma_m16n8k16_bf16, simt::mma_m16n8k16_f16, simt::ldmatrix_x4, ldmatrix_x2
//                 and their _transposed forms
//   async copies  simt::cp_async16, cp_async_commit, cp_async_wait<N>
//   constants     __constant__ variables, set on the host by
//                 simt::copy_to_symbol(symbol, value, stream)
//   vector adds   simt::atomic_add2, simt::atomic_add4 on f32 in global memory
//
// Rules, checked by tests/tools/dialect.py: no <<< >>>, no plain __shared__, no raw asm, no
// cooperative_groups or CUB outside kernels/simt/; arithmetic in f32, with bf16 and f16 only as
// storage (kernels/gpu/storage.h); every barrier has a comment with its reason on its line or the
// one above; a loop that waits for another thread calls __nanosleep (the emulator switches threads
// only there, at barriers and at warp operations); no owning locals in kernels (after an error,
// other threads' stacks are abandoned).
//
// simt::launch() converts the arguments to the kernel's parameter types, returns as soon as the
// launch is queued, and throws simt::Error, naming kernel and line, if it is refused.

#if defined(__CUDACC__)
#include "kernels/simt/cuda/dialect.h"
#include "kernels/simt/cuda/launch.h"
#include "kernels/simt/cuda/ptx.h"
#else
#include "kernels/simt/emulator/async_copy.h"
#include "kernels/simt/emulator/dialect.h"
#include "kernels/simt/emulator/launch.h"
#include "kernels/simt/emulator/tensor_core.h"
#endif
