#include "kernels/libraries/loading/shared_library.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
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

/// The file behind a handle, as the loader found it.
std::string path_of(void* handle, const std::string& file) {
  const link_map* map = nullptr;
  const bool is_known = dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map->l_name[0] != '\0';
  return is_known ? map->l_name : file;
}

/// The folders of the loaded libraries whose names begin with `family`; none for an empty one.
std::set<std::string> loaded_folders(const std::string& family) {
  using Search = std::pair<const std::string&, std::set<std::string>>;
  Search search{family, {}};
  if (family.empty()) return {};
  dl_iterate_phdr(
      [](dl_phdr_info* library, size_t, void* data) {
        Search& all = *static_cast<Search*>(data);
        std::error_code none;
        const fs::path file = fs::weakly_canonical(library->dlpi_name, none);
        if (file.filename().string().starts_with(all.first)) {
          all.second.insert(file.parent_path().string());
        }
        return 0;
      },
      &search);
  return search.second;
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

std::string dotted_version(size_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." +
         std::to_string(version % 100);
}

std::string too_old(size_t version, size_t oldest) {
  if (version >= oldest) return "";
  return "is version " + dotted_version(version) + ", and " + dotted_version(oldest) +
         " is the oldest that serves";
}

SharedLibrary::SharedLibrary(SharedLibrarySource source) : source_(std::move(source)) {
  const std::vector<std::string> files = candidate_files(source_);
  std::vector<std::string> refusals;
  for (const std::string& file : files) {
    const std::string refusal = load(file);
    if (handle_ != nullptr) return;
    if (refusal.empty()) continue;
    refusals.push_back(refusal);
    // Parts of a refused library that stay would serve the next one instead of its own.
    if (!loaded_folders(source_.family).empty()) break;
  }
  problem_ = source_.name + " (" + source_.file + ") " +
             (refusals.empty() ? "was not found; tried: " + join(files)
                               : "cannot be used: " + join(refusals)) +
             advice();
}

std::string SharedLibrary::load(const std::string& file) {
  void* handle = dlopen(file.c_str(), RTLD_NOW | (source_.is_global ? RTLD_GLOBAL : RTLD_LOCAL));
  if (handle == nullptr) {
    // A file that exists but does not load has a specific reason: another library is missing.
    const std::string reason = dlerror();
    std::error_code none;
    return fs::exists(file, none) ? reason : "";
  }
  const std::string path = path_of(handle, file);
  const auto lookup = [handle](const char* function) { return dlsym(handle, function); };
  std::string complaint = source_.complaint ? source_.complaint(lookup) : "";
  const std::set<std::string> folders = loaded_folders(source_.family);
  if (complaint.empty() && folders.size() > 1) {
    complaint = "was loaded together with parts of another one, from " +
                join({folders.begin(), folders.end()}) + "; see LD_LIBRARY_PATH and LD_PRELOAD";
  }
  if (complaint.empty()) {
    handle_ = handle;
    file_ = path;
    return "";
  }
  dlclose(handle);
  return path + " " + complaint;
}

std::string SharedLibrary::advice() const {
  return "; install " + source_.package + ", or set " + source_.variable +
         " to the folder that holds its lib/";
}

void* SharedLibrary::symbol(const char* function) const {
  if (handle_ == nullptr) throw simt::Error(problem_);
  void* address = dlsym(handle_, function);
  if (address == nullptr) {
    throw simt::Error(source_.name + " has no " + function + " in " + file_ +
                      ": it is too old for this build" + advice());
  }
  return address;
}

}  // namespace rela
