// Ends a program that was built for a newer processor than the one it runs on with one line,
// instead of an illegal instruction. Compiled for any x86-64, and run before everything else,
// constructors of other files included. RELA_NEEDS lists what the build uses, as X(feature) each.

#include <unistd.h>

#include <cstring>

namespace {

void add(char* text, size_t room, const char* more) {
  std::strncat(text, more, room - std::strlen(text) - 1);
}

__attribute__((constructor(101))) void check_processor() {
  __builtin_cpu_init();
  char text[512] = "";
#define X(feature)                          \
  if (!__builtin_cpu_supports(feature)) {   \
    if (text[0] != 0) add(text, 400, ", "); \
    add(text, 400, feature);                \
  }
  RELA_NEEDS
#undef X
  if (text[0] == 0) return;
  char line[700] = "this program was built for a newer processor: this one lacks ";
  add(line, sizeof line, text);
  add(line, sizeof line, "; build it here, or with -DRELA_NATIVE=OFF for any x86-64\n");
  (void)!write(STDERR_FILENO, line, std::strlen(line));
  _exit(8);  // ExitCode::kDevice
}

}  // namespace
