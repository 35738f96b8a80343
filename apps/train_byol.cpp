#include "rela/programs/program.h"

int main(int argc, char** argv) {
  rela::wait_passively(argv);
  return rela::train_byol_main(argc, argv);
}
