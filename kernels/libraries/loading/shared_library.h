#pragma once
// A shared library that is loaded when it is first needed rather than when the program starts, so
// that everything that does not need it still runs without it.

#include <functional>
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
  /// What the names of its files begin with, if it loads others: all must come from one folder.
  std::string family{};  // "libcudnn"
  /// Why a file that was loaded cannot serve: "is version 9.8.0, and 9.13.0 is the oldest that
  /// serves"; empty when it can. `function` looks a function up, or returns null.
  using Lookup = std::function<void*(const char* function)>;
  std::function<std::string(const Lookup& function)> complaint{};
};

/// 91900 -> "9.19.0"
std::string dotted_version(size_t version);
/// A complaint about versions below `oldest`.
std::string too_old(size_t version, size_t oldest);

/// The files to try, in order; one without a slash is left to the loader (LD_LIBRARY_PATH, system
/// folders). Reads the variable, VIRTUAL_ENV and CONDA_PREFIX.
std::vector<std::string> candidate_files(const SharedLibrarySource& source);

/// Stays loaded until the process ends.
class SharedLibrary {
 public:
  explicit SharedLibrary(SharedLibrarySource source);

  /// Why it cannot be used, and what to do; empty when it was found.
  const std::string& problem() const { return problem_; }
  /// The file that was loaded, with its folder; empty if none was.
  const std::string& file() const { return file_; }

  /// The address of a function. Throws simt::Error with problem(), or if the library does not have
  /// it.
  void* symbol(const char* function) const;

 private:
  /// Loads one file, or returns why it does not serve; empty if it was not found.
  std::string load(const std::string& file);
  std::string advice() const;

  SharedLibrarySource source_;
  void* handle_ = nullptr;
  std::string file_;
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
