#include "rela/programs/program.h"

int main(int argc, char** argv) {
  rela::configure_openmp(argv);
  return rela::weights_main(argc, argv);
}
