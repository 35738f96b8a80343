#include "rela/programs/program.h"

int main(int argc, char** argv) {
  rela::wait_passively(argv);
  return rela::embed_main(argc, argv);
}
