#include "rela/programs/program.h"

int main(int argc, char** argv) { return rela::evaluate_main(argc, argv); }
