#pragma once
// A shared library that is looked for when it is first needed, and not when the program starts:
// without it, whatever does not need it still runs.

#include <string>
#include <vector>

namespace rela {

/// What to look for, where, and what to tell whoever has not got it.
struct SharedLibrarySource {
  std::string name;       // "cuDNN"
  std::string file;       // "libcudnn.so.9"
  std::string variable;   // of the environment: a folder with the library in lib/ or lib64/
  std::string folder{};   // where the build found it; may be empty
  std::string python{};   // its folder in a Python environment's site-packages; may be empty
  std::string package{};  // what to install
};

/// The files to try, in order; one without a slash is for the loader to find (LD_LIBRARY_PATH, the
/// system's folders). Reads the variable, VIRTUAL_ENV and CONDA_PREFIX.
std::vector<std::string> candidate_files(const SharedLibrarySource& source);

/// Stays loaded until the process ends.
class SharedLibrary {
 public:
  explicit SharedLibrary(SharedLibrarySource source);

  /// Why it cannot be used, and what to do; empty when it was found.
  const std::string& problem() const { return problem_; }

  /// The address of a function. Throws simt::Error with problem(), or when it is not in there.
  void* symbol(const char* function) const;

 private:
  SharedLibrarySource source_;
  void* handle_ = nullptr;
  std::string file_;  // that was loaded
  std::string problem_;
};

/// The function of this name in a library, by the declaration in the library's own header. Looked
/// up once.
template <const SharedLibrary& (*kLibrary)(), auto* kDeclared>
auto* function_of(const char* name) {
  static auto* const function = reinterpret_cast<decltype(kDeclared)>(kLibrary().symbol(name));
  return function;
}

}  // namespace rela
