#include "kernels/simt/emulator/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#include "kernels/simt/emulator/sanitizers.h"

namespace rela::simt::fiber {

#if defined(__x86_64__)

// Saves the callee-saved integer registers of the System V ABI; kernels do not change the
// floating-point control words. Ends in a jump: a `ret` would be mispredicted at every switch.
__attribute__((naked, noinline)) static void switch_to(void** /*save*/, void* /*load*/) {
  asm volatile(
      "pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
      "movq %rsp,(%rdi)\n\tmovq %rsi,%rsp\n\t"
      "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\t"
      "popq %rcx\n\tjmp *%rcx");
}

void prepare(Context& context, Stack stack, void (*entry)()) {
  constexpr size_t kRegisters = 6;
  char* top = stack.low + stack.bytes;
  top -= reinterpret_cast<uintptr_t>(top) % 16;
  auto* slots = reinterpret_cast<uint64_t*>(top) - (kRegisters + 2);  // entry, end of the stack
  for (size_t i = 0; i < kRegisters; ++i) slots[i] = 0;
  slots[kRegisters] = reinterpret_cast<uint64_t>(entry);
  slots[kRegisters + 1] = 0;
  context.stack_pointer = slots;
}

SIMT_NO_TSAN void switch_stacks(Context& from, Context& to) {
  switch_to(&from.stack_pointer, to.stack_pointer);
}

#else

void prepare(Context& context, Stack stack, void (*entry)()) {
  getcontext(&context.context);
  context.context.uc_stack.ss_sp = stack.low;
  context.context.uc_stack.ss_size = stack.bytes;
  context.context.uc_link = nullptr;
  makecontext(&context.context, entry, 0);
}

SIMT_NO_TSAN void switch_stacks(Context& from, Context& to) {
  swapcontext(&from.context, &to.context);
}

#endif

Stack allocate_stack() {
  constexpr size_t kPage = 4096;
  constexpr size_t kColours = 61;
  constexpr size_t kCacheLine = 64;
  const size_t bytes = kSanitized ? 256u << 10 : 64u << 10;
  void* memory = mmap(nullptr, bytes + kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, kPage, PROT_NONE);
  static thread_local size_t colour = 0;
  return {static_cast<char*>(memory) + kPage, bytes - (colour++ % kColours) * kCacheLine};
}

}  // namespace rela::simt::fiber
