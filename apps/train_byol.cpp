#include "rela/programs/program.h"

int main(int argc, char** argv) {
  rela::configure_openmp(argv);
  return rela::train_byol_main(argc, argv);
}
