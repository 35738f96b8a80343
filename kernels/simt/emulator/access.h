#pragma once
// Loads and stores of 16 bytes: misaligned ones are errors, as on a GPU.

#include <algorithm>

#include "kernels/simt/emulator/sanitizers.h"
#include "kernels/simt/emulator/state.h"
#include "kernels/simt/emulator/trace.h"

namespace rela::simt {

[[noreturn]] inline void fail_misaligned(const char* what, const void* p, const Site& site) {
  char address[32];
  snprintf(address, sizeof(address), "%p", p);
  fail(std::string(what) + " of misaligned address " + address + " at " + to_string(site));
}
inline bool is_misaligned16(const void* p) { return (reinterpret_cast<uintptr_t>(p) & 15) != 0; }
/// Whether p is in the shared memory of the running block.
inline bool is_shared(const void* p) {
  const Quiet quiet;
  return std::ranges::any_of(self->block->shared, [p](const SharedArray& array) {
    return p >= array.data && p < array.data + array.bytes;
  });
}

template <class V>
V load16(const void* p, SIMT_SITE) {
  static_assert(sizeof(V) == 16);
  if (is_misaligned16(p)) fail_misaligned("16-byte load", p, SIMT_HERE);
  if (is_traced()) trace_read16(p);
  return *static_cast<const V*>(p);
}
template <class V>
void store16(void* p, V value, SIMT_SITE) {
  static_assert(sizeof(V) == 16);
  if (is_misaligned16(p)) fail_misaligned("16-byte store", p, SIMT_HERE);
  if (is_traced()) trace_write16(p);
  *static_cast<V*>(p) = value;
}
/// In shared memory, a GPU would write somewhere else.
template <class V>
void store16_global(void* p, V value, SIMT_SITE) {
  static_assert(sizeof(V) == 16);
  if (is_misaligned16(p)) fail_misaligned("16-byte store", p, SIMT_HERE);
  if (is_shared(p)) fail("store16_global to shared memory at " + to_string(SIMT_HERE));
  if (is_traced()) trace_write16(p);
  *static_cast<V*>(p) = value;
}
template <class V>
V load16_streaming(const void* p, SIMT_SITE) {
  static_assert(sizeof(V) == 16);
  if (is_misaligned16(p)) fail_misaligned("16-byte load", p, SIMT_HERE);
  if (is_traced()) trace_read16(p);
  return *static_cast<const V*>(p);
}
template <class V>
void store16_streaming(void* p, V value, SIMT_SITE) {
  static_assert(sizeof(V) == 16);
  if (is_misaligned16(p)) fail_misaligned("16-byte store", p, SIMT_HERE);
  if (is_traced()) trace_write16(p);
  *static_cast<V*>(p) = value;
}

}  // namespace rela::simt

// NOLINTBEGIN(bugprone-reserved-identifier): CUDA's names
template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcs(T* p, std::type_identity_t<T> value) {
  *p = value;
}
// NOLINTEND(bugprone-reserved-identifier)
