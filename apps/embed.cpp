#include "rela/programs/program.h"

int main(int argc, char** argv) { return rela::embed_main(argc, argv); }
