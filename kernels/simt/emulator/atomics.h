#pragma once
// Atomics with CUDA's names: relaxed, as on the GPU, so they order nothing else.

#include <bit>
#include <cstdint>
#include <type_traits>

namespace rela::simt {

/// *p = f(*p, operand); returns the old value. Any type of 4 or 8 bytes.
template <class T, class F>
T atomic_update(T* p, F f) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  auto* bits = reinterpret_cast<Bits*>(p);
  Bits old = __atomic_load_n(bits, __ATOMIC_RELAXED);
  for (;;) {
    const Bits updated = std::bit_cast<Bits>(f(std::bit_cast<T>(old)));
    if (__atomic_compare_exchange_n(bits, &old, updated, true, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
      return std::bit_cast<T>(old);
    }
  }
}

/// Orders memory accesses between threads that both call it (a stronger guarantee than CUDA's).
void memory_fence();

}  // namespace rela::simt

template <class T>
T atomicAdd(T* p, std::type_identity_t<T> value) {
  return rela::simt::atomic_update(p, [=](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> value) {
  return rela::simt::atomic_update(p, [=](T old) { return old < value ? value : old; });
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> value) {
  return rela::simt::atomic_update(p, [=](T old) { return value < old ? value : old; });
}
template <class T>
T atomicExch(T* p, std::type_identity_t<T> value) {
  return rela::simt::atomic_update(p, [=](T) { return value; });
}
template <class T>
T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return rela::simt::atomic_update(p, [=](T old) { return old == expected ? value : old; });
}
template <class T>
T atomicOr(T* p, std::type_identity_t<T> value) {
  return rela::simt::atomic_update(p, [=](T old) { return static_cast<T>(old | value); });
}
template <class T>
T atomicAnd(T* p, std::type_identity_t<T> value) {
  return rela::simt::atomic_update(p, [=](T old) { return static_cast<T>(old & value); });
}
/// Counts up to `last`, then starts over at 0.
inline unsigned atomicInc(unsigned* p, unsigned last) {
  return rela::simt::atomic_update(p, [=](unsigned old) { return old >= last ? 0u : old + 1; });
}

// NOLINTBEGIN(bugprone-reserved-identifier): CUDA's names
inline void __threadfence() { rela::simt::memory_fence(); }
inline void __threadfence_block() { rela::simt::memory_fence(); }
// NOLINTEND(bugprone-reserved-identifier)

namespace rela::simt {

/// Adds to neighbouring f32 in global memory, each atomically; 8- and 16-byte aligned.
inline void atomic_add2(float* p, float2 v) {
  atomicAdd(p, v.x);
  atomicAdd(p + 1, v.y);
}
inline void atomic_add4(float* p, float4 v) {
  atomic_add2(p, {v.x, v.y});
  atomic_add2(p + 2, {v.z, v.w});
}

}  // namespace rela::simt
