#pragma once
// What AddressSanitizer and ThreadSanitizer must be told about fibers, shared memory and barriers.

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define SIMT_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define SIMT_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__)
#define SIMT_TSAN 1
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#else
#define SIMT_TSAN 0
#endif

/// For functions that switch stacks: ThreadSanitizer would count a call whose return it never sees.
#define SIMT_NO_TSAN __attribute__((no_sanitize("thread")))

namespace rela::simt {

inline constexpr bool kAsan = SIMT_ASAN != 0;
inline constexpr bool kTsan = SIMT_TSAN != 0;
inline constexpr bool kSanitized = kAsan || kTsan;

/// ThreadSanitizer tracks the kernel's accesses, not the emulator's: it ignores those in this
/// scope.
class Quiet {
 public:
#if SIMT_TSAN
  Quiet() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Quiet() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  Quiet() {}
  ~Quiet() {}
#endif
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;
};

/// What happened before release() of a token happens before what follows acquire() of it.
inline void release([[maybe_unused]] void* token) {
#if SIMT_TSAN
  __tsan_release(token);
#endif
}
inline void acquire([[maybe_unused]] void* token) {
#if SIMT_TSAN
  __tsan_acquire(token);
#endif
}

inline void poison_for_asan([[maybe_unused]] const void* p, [[maybe_unused]] size_t bytes) {
#if SIMT_ASAN
  __asan_poison_memory_region(p, bytes);
#endif
}
inline void unpoison_for_asan([[maybe_unused]] const void* p, [[maybe_unused]] size_t bytes) {
#if SIMT_ASAN
  __asan_unpoison_memory_region(p, bytes);
#endif
}

}  // namespace rela::simt
