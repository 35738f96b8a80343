#include "rela/run/checkpoint_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"
#include "runtime/io/json.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "step-";
constexpr const char* kDone = "DONE";
constexpr const char* kLatest = "latest";
constexpr const char* kWriting = ".writing-";
constexpr const char* kAbandoned = "abandoned-";
/// Names the checkpoint that the run goes on from while later ones are moved aside.
constexpr const char* kBranch = "branch";

std::string folder_name(int64_t step) { return fmt::format("{}{:08}", kPrefix, step); }

/// The step in a folder's name; empty for other folders, including temporary ones.
std::optional<int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const char* begin = name.data() + std::string_view(kPrefix).size();
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(begin, end, step);
  if (error != std::errc() || stop != end) return std::nullopt;
  return step;
}

std::string fingerprint_of(const fs::path& file) {
  constexpr int64_t kChunk = 1 << 20;
  const InputFile input(file.string());
  std::vector<char> buffer(static_cast<size_t>(std::min(kChunk, input.size())));
  ContentHash hash;
  for (int64_t at = 0; at < input.size(); at += kChunk) {
    const int64_t n = std::min(kChunk, input.size() - at);
    input.read_at(at, buffer.data(), n);
    hash.update(buffer.data(), n);
  }
  return to_hex(hash.digest());
}

std::string list_of_files(const fs::path& folder) {
  JsonValue::Object files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    files.emplace_back(entry.path().filename().string(),
                       JsonValue::Object{{"bytes", static_cast<int64_t>(entry.file_size())},
                                         {"xxh3_64", fingerprint_of(entry.path())}});
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return to_json_text(JsonValue::Object{{"files", std::move(files)}}, JsonLayout::kIndented) + "\n";
}

/// All checkpoints, newest first: those that are to be abandoned included.
std::vector<CheckpointRef> folders_in(const fs::path& root) {
  std::vector<CheckpointRef> found;
  if (!fs::is_directory(root)) return found;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    const std::optional<int64_t> step = step_of(entry.path().filename().string());
    if (step) found.push_back({entry.path(), *step});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.step > b.step; });
  return found;
}

/// Those with a DONE file that the run has not left behind, newest first.
std::vector<CheckpointRef> complete_in(const fs::path& root) {
  std::vector<CheckpointRef> found = folders_in(root);
  std::optional<int64_t> branch;
  if (const fs::path file = root / kBranch; fs::exists(file)) {
    const std::string name = read_text_file(file.string());
    branch = step_of(name.substr(0, name.find('\n')));
  }
  std::erase_if(found, [&](const CheckpointRef& c) {
    std::error_code failure;  // one that cannot be looked at is damaged, not incomplete
    const bool is_incomplete = !fs::exists(c.folder / kDone, failure) && !failure;
    return (branch && c.step > *branch) || is_incomplete;
  });
  return found;
}

}  // namespace

fs::path checkpoints_of(const fs::path& run) { return run / "checkpoints"; }

fs::path latest_checkpoint(const fs::path& root) {
  const fs::path file = root / kLatest;
  if (!fs::exists(file)) return {};
  const std::string name = read_text_file(file.string());
  return root / name.substr(0, name.find('\n'));
}

bool has_checkpoint(const fs::path& root) { return !complete_in(root).empty(); }

std::string checkpoint_damage(const fs::path& folder) {
  try {
    const JsonValue done = parse_json(read_text_file((folder / kDone).string()));
    const JsonValue* files = done.find("files");
    const auto* list = files == nullptr ? nullptr : files->as<JsonValue::Object>();
    if (list == nullptr) return (folder / kDone).string() + " lists no files";
    for (const auto& [name, facts] : *list) {
      const fs::path file = folder / name;
      const JsonValue* bytes = facts.find("bytes");
      const JsonValue* hash = facts.find("xxh3_64");
      if (bytes == nullptr || hash == nullptr) return (folder / kDone).string() + " is incomplete";
      if (!fs::exists(file)) return file.string() + " is missing";
      const auto size = static_cast<int64_t>(fs::file_size(file));
      const int64_t* wanted = bytes->as<int64_t>();
      if (wanted == nullptr) return (folder / kDone).string() + " is incomplete";
      if (size != *wanted)
        return fmt::format("{} has {} bytes, {} were written", file.string(), size, *wanted);
      const std::string* text = hash->as<std::string>();
      if (text == nullptr || fingerprint_of(file) != *text)
        return file.string() + " has changed since it was written";
    }
  } catch (const JsonError& e) {
    return cat((folder / kDone).string(), ": ", e.what());
  } catch (const std::exception& e) {
    return message_of(e);
  }
  return "";
}

void CheckpointStore::save(int64_t step, const Fill& fill) const {
  bool has_vanished = false;
  try {
    write(step, fill, has_vanished);
  } catch (const IoError& e) {
    if (!has_vanished) throw;
    log_warning(e.what(), ": somebody empties the folder; the checkpoint is written once more");
    write(step, fill, has_vanished);
  }
}

/// `has_vanished`: set if it throws because another process has deleted what it was writing.
void CheckpointStore::write(int64_t step, const Fill& fill, bool& has_vanished) const {
  const fs::path folder = root_ / folder_name(step);
  if (fs::exists(folder) && checkpoint_damage(folder).empty()) return;
  make_directory(root_.string());
  remove_unfinished();
  const fs::path temporary = root_ / (kWriting + folder_name(step));
  make_directory(temporary.string());
  try {
    fill(temporary);
    write_file_atomic((temporary / kDone).string(), list_of_files(temporary));
    sync_directory(temporary.string());
    remove_tree(folder.string());  // a damaged one of the same step
    std::error_code failure;
    fs::rename(temporary, folder, failure);
    RELA_CHECK(!failure, IoError, folder.string(), ": cannot be created: ", failure.message());
    sync_directory(root_.string());
    write_file_atomic((root_ / kLatest).string(), folder_name(step) + "\n");
  } catch (...) {
    std::error_code ignored;
    has_vanished = !fs::exists(temporary, ignored) && !fs::exists(folder, ignored);
    fs::remove_all(temporary, ignored);
    throw;
  }
  remove_old();
}

bool CheckpointStore::holds(const fs::path& folder) const {
  std::error_code failure;
  return fs::equivalent(folder / "..", root_, failure) && !failure;
}

fs::path CheckpointStore::abandon_after(int64_t step) const {
  std::vector<CheckpointRef> later = folders_in(root_);
  std::erase_if(later, [&](const CheckpointRef& c) { return c.step <= step; });
  const fs::path branch = root_ / kBranch, latest = root_ / kLatest;
  if (later.empty()) {
    remove_tree(branch.string());  // the last one had just moved when the process ended
    return {};
  }
  write_file_atomic(branch.string(), folder_name(step) + "\n");
  fs::path aside;
  for (size_t n = 1; aside.empty() || fs::exists(aside); ++n) aside = root_ / cat(kAbandoned, n);
  make_directory(aside.string());
  for (const CheckpointRef& c : later) {
    std::error_code failure;
    fs::rename(c.folder, aside / c.folder.filename(), failure);
    RELA_CHECK(!failure, IoError, c.folder.string(), ": cannot be moved to ", aside.string(), ": ",
               failure.message());
  }
  sync_directory(aside.string());
  remove_tree(latest.string());
  if (fs::exists(root_ / folder_name(step)))
    write_file_atomic(latest.string(), folder_name(step) + "\n");
  remove_tree(branch.string());
  return aside;
}

std::vector<fs::path> CheckpointStore::abandoned() const {
  std::vector<fs::path> found;
  if (!fs::is_directory(root_)) return found;
  for (const fs::directory_entry& entry : fs::directory_iterator(root_)) {
    if (entry.path().filename().string().starts_with(kAbandoned)) found.push_back(entry.path());
  }
  return found;
}

std::optional<CheckpointRef> CheckpointStore::newest(std::vector<std::string>& warnings) const {
  for (const CheckpointRef& candidate : complete_in(root_)) {
    const std::string damage = checkpoint_damage(candidate.folder);
    if (damage.empty()) return candidate;
    warnings.push_back("checkpoint of step " + std::to_string(candidate.step) +
                       " is damaged: " + damage + "; trying the one before it");
  }
  return std::nullopt;
}

void CheckpointStore::remove_unfinished() const {
  std::vector<fs::path> left;
  for (const fs::directory_entry& entry : fs::directory_iterator(root_)) {
    if (entry.path().filename().string().starts_with(kWriting)) left.push_back(entry.path());
  }
  for (const fs::path& folder : left) remove_tree(folder.string());
}

void CheckpointStore::remove_old() const {
  const std::vector<CheckpointRef> all = complete_in(root_);
  for (size_t i = static_cast<size_t>(std::max<int64_t>(keep_last_, 1)); i < all.size(); ++i) {
    remove_tree(all[i].folder.string());
  }
}

}  // namespace rela
