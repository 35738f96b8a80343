#include "rela/programs/program.h"

int main(int argc, char** argv) {
  rela::limit_spinning(argv);
  return rela::evaluate_main(argc, argv);
}
