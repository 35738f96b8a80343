#include "rela/programs/program.h"

int main(int argc, char** argv) {
  rela::configure_openmp(argv);
  return rela::transport_main(argc, argv);
}
