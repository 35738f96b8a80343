#pragma once
// A shared library that is loaded when it is first needed rather than when the program starts, so
// that everything that does not need it still runs without it.

#include <string>
#include <vector>

namespace rela {

/// Which library to look for, where, and what to tell users who do not have it.
struct SharedLibrarySource {
  std::string name;        // "cuDNN"
  std::string file;        // "libcudnn.so.9"
  std::string variable;    // environment variable: a folder with the library in lib/ or lib64/
  std::string folder{};    // where the build found it; may be empty
  std::string python{};    // its folder in a Python environment's site-packages; may be empty
  std::string package{};   // what to install
  bool is_global = false;  // whether libraries that are loaded later see its symbols
};

/// The files to try, in order; one without a slash is left to the loader (LD_LIBRARY_PATH, system
/// folders). Reads the variable, VIRTUAL_ENV and CONDA_PREFIX.
std::vector<std::string> candidate_files(const SharedLibrarySource& source);

/// Stays loaded until the process ends.
class SharedLibrary {
 public:
  explicit SharedLibrary(SharedLibrarySource source);

  /// Why it cannot be used, and what to do; empty when it was found.
  const std::string& problem() const { return problem_; }

  /// The address of a function. Throws simt::Error with problem(), or if the library does not have
  /// it.
  void* symbol(const char* function) const;

 private:
  SharedLibrarySource source_;
  void* handle_ = nullptr;
  std::string file_;  // the one that was loaded
  std::string problem_;
};

/// The function of this name in a library, typed by the declaration in the library's header. Looked
/// up once.
template <const SharedLibrary& (*kLibrary)(), auto* kDeclared>
auto* function_of(const char* name) {
  static auto* const function = reinterpret_cast<decltype(kDeclared)>(kLibrary().symbol(name));
  return function;
}

}  // namespace rela
