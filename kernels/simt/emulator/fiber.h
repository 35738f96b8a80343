#pragma once
// Switching between stacks, the basis of simulated threads.

#include <cstddef>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace rela::simt::fiber {

#if defined(__x86_64__)
struct Context {
  void* stack_pointer = nullptr;
};
#else
struct Context {
  ucontext_t context;
};
#endif

struct Stack {
  char* low = nullptr;
  size_t bytes = 0;
};

/// Makes the first switch to `context` call entry() on `stack`; entry must never return.
void prepare(Context& context, Stack stack, void (*entry)());
/// Saves the running stack in `from` and continues in `to`.
void switch_stacks(Context& from, Context& to);

/// A new stack above a guard page. Tops are staggered so that they do not all share the same cache
/// sets.
Stack allocate_stack();

}  // namespace rela::simt::fiber
