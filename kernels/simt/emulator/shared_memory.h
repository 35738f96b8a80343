#pragma once

#include "kernels/simt/emulator/machine.h"

/// T name dims, in shared memory: poisoned at the start of every block; writes past the end are
/// detected.
#define SIMT_SHARED(T, name, ...)               \
  using name##_simt_type = T __VA_ARGS__;       \
  static const char name##_simt_key = 0;        \
  auto& name = *static_cast<name##_simt_type*>( \
      ::rela::simt::shared_array(&name##_simt_key, sizeof(name##_simt_type), #name))

/// T* name: the dynamic shared memory of the launch.
#define SIMT_DYN_SHARED(T, name) T* name = static_cast<T*>(::rela::simt::dynamic_shared_memory())

namespace rela::simt {

inline void* shared_array(const void* key, size_t bytes, const char* name) {
  const Quiet quiet;
  return Machine::instance().static_shared(*self->block, key, bytes, name);
}

inline void* dynamic_shared_memory() {
  const Quiet quiet;
  return Machine::instance().dynamic_shared(*self->block);
}

}  // namespace rela::simt
