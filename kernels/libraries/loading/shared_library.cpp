#include "kernels/libraries/loading/shared_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "kernels/simt/error.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

std::string environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

/// lib/python3.*/site-packages of an environment, sorted.
std::vector<fs::path> site_packages(const fs::path& environment) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(environment / "lib", none)) {
    if (entry.path().filename().string().starts_with("python3")) {
      found.push_back(entry.path() / "site-packages");
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

std::vector<std::string> candidate_files(const SharedLibrarySource& source) {
  std::vector<std::string> files;
  if (const std::string root = environment_variable(source.variable); !root.empty()) {
    for (const char* folder : {"lib", "lib64"}) {
      files.push_back((fs::path(root) / folder / source.file).string());
    }
  }
  files.push_back(source.file);
  if (!source.folder.empty()) files.push_back((fs::path(source.folder) / source.file).string());
  for (const char* variable : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    const std::string environment = environment_variable(variable);
    if (source.python.empty() || environment.empty()) continue;
    for (const fs::path& packages : site_packages(environment)) {
      files.push_back((packages / source.python / source.file).string());
    }
  }
  return files;
}

SharedLibrary::SharedLibrary(SharedLibrarySource source) : source_(std::move(source)) {
  const std::vector<std::string> files = candidate_files(source_);
  std::vector<std::string> refusals;
  for (const std::string& file : files) {
    handle_ = dlopen(file.c_str(), RTLD_NOW | (source_.is_global ? RTLD_GLOBAL : RTLD_LOCAL));
    if (handle_ != nullptr) {
      file_ = file;
      return;
    }
    // A file that exists but does not load has a specific reason: another library is missing.
    std::error_code none;
    if (fs::exists(file, none)) refusals.emplace_back(dlerror());
  }
  problem_ = source_.name + " (" + source_.file + ") " +
             (refusals.empty() ? "was not found; tried: " + join(files)
                               : "does not load: " + join(refusals)) +
             "; install " + source_.package + ", or set " + source_.variable +
             " to the folder that holds its lib/";
}

void* SharedLibrary::symbol(const char* function) const {
  if (handle_ == nullptr) throw simt::Error(problem_);
  void* address = dlsym(handle_, function);
  if (address == nullptr) {
    throw simt::Error(source_.name + " has no " + function + " in " + file_ +
                      ": it is too old for this build; install " + source_.package + ", or set " +
                      source_.variable + " to the folder that holds its lib/");
  }
  return address;
}

}  // namespace rela
