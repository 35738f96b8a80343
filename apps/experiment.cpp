#include "rela/programs/program.h"

int main(int argc, char** argv) { return rela::experiment_main(argc, argv); }
