#include "kernels/simt/site.h"

#include <algorithm>

namespace rela::simt {

std::string to_string(const Site& site) {
  const std::string file = site.file;
  size_t root = 0;  // compilers report the path as given on their command line
  for (const char* room : {"/kernels/", "/tests/"}) {
    const size_t found = file.rfind(room);
    if (found != std::string::npos) root = std::max(root, found + 1);
  }
  return file.substr(root) + ":" + std::to_string(site.line);
}

}  // namespace rela::simt
