#include "rela/programs/program.h"

int main(int argc, char** argv) {
  rela::limit_spinning(argv);
  return rela::transport_main(argc, argv);
}
