#pragma once
// The kernel dialect under nvcc: mostly plain CUDA.

#include <cooperative_groups.h>
#include <cuda_runtime.h>

#define SIMT_SHARED(T, name, ...) __shared__ T name __VA_ARGS__
#define SIMT_DYN_SHARED(T, name)                                         \
  extern __shared__ __align__(128) unsigned char simt_dynamic_shared_[]; \
  T* name = reinterpret_cast<T*>(simt_dynamic_shared_)

namespace rela::simt {

__device__ inline void grid_sync() { cooperative_groups::this_grid().sync(); }

template <class V>
__device__ inline V load16(const void* p) {
  static_assert(sizeof(V) == 16);
  return *static_cast<const V*>(p);
}
template <class V>
__device__ inline void store16(void* p, V value) {
  static_assert(sizeof(V) == 16);
  *static_cast<V*>(p) = value;
}
/// nvcc takes an assignment apart where it unrolls a loop around it; it leaves this as it is.
template <class V>
__device__ inline void store16_global(void* p, V value) {
  static_assert(sizeof(V) == 16);
  const auto& bits = reinterpret_cast<const uint4&>(value);
  asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(p)),
               "r"(bits.x), "r"(bits.y), "r"(bits.z), "r"(bits.w)
               : "memory");
}
template <class V>
__device__ inline V load16_streaming(const void* p) {
  static_assert(sizeof(V) == 16);
  const uint4 bits = __ldcs(static_cast<const uint4*>(p));
  return reinterpret_cast<const V&>(bits);
}
template <class V>
__device__ inline void store16_streaming(void* p, V value) {
  static_assert(sizeof(V) == 16);
  __stcs(static_cast<uint4*>(p), reinterpret_cast<const uint4&>(value));
}

__device__ inline void atomic_add2(float* p, float2 v) {
#if __CUDA_ARCH__ >= 900
  atomicAdd(reinterpret_cast<float2*>(p), v);
#else
  atomicAdd(p, v.x);
  atomicAdd(p + 1, v.y);
#endif
}
__device__ inline void atomic_add4(float* p, float4 v) {
#if __CUDA_ARCH__ >= 900
  atomicAdd(reinterpret_cast<float4*>(p), v);
#else
  atomic_add2(p, {v.x, v.y});
  atomic_add2(p + 2, {v.z, v.w});
#endif
}

}  // namespace rela::simt
