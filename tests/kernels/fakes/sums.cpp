// A library of which there are several versions, to be loaded by tests of SharedLibrary.

#include <cstddef>

extern "C" size_t sums_version() { return SUMS_VERSION; }
