#include "rela/programs/program.h"
#include "rela/run/signals.h"

int main(int argc, char** argv) {
  rela::hold_signals();
  rela::configure_openmp(argv);
  return rela::train_byol_main(argc, argv);
}
