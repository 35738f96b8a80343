#include "kernels/libraries/tuning/choice_file.h"

#include <unistd.h>

#include <cctype>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "kernels/fnv1a.h"
#include "kernels/libraries/tuning/tuning.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

/// The version grows when a choice gets another name.
constexpr const char* kFirstLine = "rela plan choices 2\n";
constexpr const char* kChecksum = "checksum ";

std::string checksum_line(const std::string& text) {
  Fnv1a64 hash;
  hash.update(text.data(), static_cast<int64_t>(text.size()));
  char digits[24];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(hash.digest()));
  return kChecksum + std::string(digits) + "\n";
}

/// "cuDNN 9.19.0, NVIDIA H100" -> "cuDNN-9.19.0-NVIDIA-H100.plans"
std::string file_name(const ChoiceOwner& owner) {
  std::string name = owner.library + "-" + owner.device;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.') c = '-';
  }
  return name + ".plans";
}

std::string what_is_wrong(const std::string& text, const std::string& header) {
  const size_t end = text.rfind(kChecksum);
  if (end == std::string::npos || checksum_line(text.substr(0, end)) != text.substr(end)) {
    return "is damaged";
  }
  if (!text.starts_with(kFirstLine)) return "was written by another version of rela";
  return text.starts_with(header) ? "" : "was written for another device or library";
}

void warn_of(const std::string& path, const std::string& what) {
  tuning().warn("plan choices: " + path + " " + what +
                "; plans are measured anew, delete the file if this stays");
}

}  // namespace

ChoiceFile::ChoiceFile(std::string folder, const ChoiceOwner& owner)
    : folder_(std::move(folder)),
      header_(std::string(kFirstLine) + "device " + owner.device + "\nlibrary " + owner.library +
              "\n"),
      path_(folder_ + "/" + file_name(owner)) {
  choices_ = read();
}

std::optional<std::string> ChoiceFile::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = choices_.find(key);
  return found == choices_.end() ? std::nullopt : std::optional(found->second);
}

void ChoiceFile::put(const std::string& key, const std::string& choice) {
  const std::lock_guard lock(mutex_);
  choices_.merge(read());
  choices_[key] = choice;
  write();
}

ChoiceFile::Choices ChoiceFile::read() const {
  if (folder_.empty()) return {};
  std::ifstream file(path_, std::ios::binary);
  if (!file) return {};  // no file yet
  std::ostringstream content;
  content << file.rdbuf();
  const std::string text = content.str();
  if (const std::string wrong = what_is_wrong(text, header_); !wrong.empty()) {
    warn_of(path_, wrong);
    return {};
  }
  Choices choices;
  std::istringstream lines(text.substr(header_.size()));
  for (std::string line; std::getline(lines, line);) {
    const size_t tab = line.find('\t');
    if (tab != std::string::npos) choices[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return choices;
}

void ChoiceFile::write() const {
  if (folder_.empty()) return;
  std::string text = header_;
  for (const auto& [key, choice] : choices_)
    text.append(key).append("\t").append(choice).append("\n");
  text += checksum_line(text);
  const std::string unfinished = path_ + "." + std::to_string(getpid());
  std::error_code failed;
  fs::create_directories(folder_, failed);
  std::ofstream file(unfinished, std::ios::binary);
  file << text;
  file.close();
  if (file) fs::rename(unfinished, path_, failed);
  if (!file || failed) {
    std::error_code ignored;
    fs::remove(unfinished, ignored);
    warn_of(path_, "cannot be written");
  }
}

}  // namespace rela
