// libFuzzer's entry point to one target, RELA_FUZZ_TARGET: see tests/fuzz.cmake.

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/photo_targets.h"
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rela::test::RELA_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
