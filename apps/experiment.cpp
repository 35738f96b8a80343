#include "rela/programs/program.h"
#include "rela/run/signals.h"

int main(int argc, char** argv) {
  rela::hold_signals();
  return rela::experiment_main(argc, argv);
}
