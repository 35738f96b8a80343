#include "rela/programs/program.h"
#include "rela/run/signals.h"

int main(int argc, char** argv) {
  rela::configure_openmp(argv);
  rela::release_signals();  // `experiment` starts it with them held
  return rela::evaluate_main(argc, argv);
}
