#include "runtime/io/weights_shards.h"

#include <filesystem>
#include <map>
#include <utility>

#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/json.h"
#include "runtime/io/open_weights.h"
#include "runtime/io/quoted.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxIndexBytes = int64_t{100} << 20;
constexpr size_t kMaxShards = 1000;

using WeightMap = std::map<std::string, std::string>;  // tensor -> file

WeightMap read_index(const std::string& path) {
  const int64_t bytes = InputFile(path).size();
  RELA_CHECK(bytes <= kMaxIndexBytes, WeightsError, path, ": an index of ", bytes,
             " bytes; at most ", kMaxIndexBytes, " are accepted");
  JsonValue json;
  try {
    json = parse_json(read_file(path));
  } catch (const JsonError& error) {
    throw WeightsError(cat(path, ": not JSON: ", error.what()));
  }
  const JsonValue* map = json.find("weight_map");
  const auto* members = map == nullptr ? nullptr : map->as<JsonValue::Object>();
  RELA_CHECK(members != nullptr, WeightsError, path,
             ": no weight_map, which says which file each tensor is in; it is no index of weights");
  WeightMap files;
  for (const auto& [tensor, file] : *members) {
    const auto* name = file.as<std::string>();
    RELA_CHECK(name != nullptr, WeightsError, path, ": weight_map ", quoted(tensor),
               " is no file's name");
    const bool is_beside = !name->empty() && *name != "." && *name != ".." &&
                           name->find_first_of(std::string("/\0", 2)) == std::string::npos;
    RELA_CHECK(is_beside, WeightsError, path, ": weight_map ", quoted(tensor), " is ",
               quoted(*name), "; only files beside the index are read");
    files.emplace(tensor, *name);
  }
  return files;
}

}  // namespace

bool is_weights_index(std::string_view start) {
  const size_t first = start.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && start[first] == '{' &&
         (start.find("\"weight_map\"") != std::string_view::npos ||
          start.find("\"total_size\"") != std::string_view::npos);
}

WeightsShards::WeightsShards(std::string index_path) : WeightsFile(std::move(index_path)) {
  const WeightMap map = read_index(path());
  std::map<std::string, size_t> numbers;
  for (const auto& [tensor, name] : map) {
    if (!numbers.emplace(name, shards_.size()).second) continue;
    RELA_CHECK(shards_.size() < kMaxShards, WeightsError, path(), ": more than ", kMaxShards,
               " files; no model's weights are in so many");
    const std::string file = (fs::path(path()).parent_path() / name).string();
    RELA_CHECK(fs::is_regular_file(file), WeightsError, path(), ": its file ", quoted(name),
               " is not beside it; download all files of the weights");
    shards_.push_back(open_single_weights(file));
  }
  std::vector<WeightsEntry> entries;
  for (size_t s = 0; s < shards_.size(); ++s) {
    const std::vector<WeightsEntry>& of_shard = shards_[s]->entries();
    for (size_t e = 0; e < of_shard.size(); ++e) {
      const auto listed = map.find(of_shard[e].name);
      RELA_CHECK(listed != map.end() && numbers.at(listed->second) == s, WeightsError, path(),
                 ": tensor ", quoted(of_shard[e].name), " of ", shards_[s]->path(),
                 " is not listed for that file; index and files are of different downloads");
      entries.push_back(of_shard[e]);
      places_.push_back({s, e});
    }
  }
  RELA_CHECK(entries.size() == map.size(), WeightsError, path(), ": lists ", map.size(),
             " tensors, and the files hold ", entries.size(),
             "; index and files are of different downloads");
  set_entries(std::move(entries));
}

std::string WeightsShards::format() const {
  const std::string first = shards_.empty() ? "no" : shards_.front()->format();
  return cat(first, " in ", shards_.size(), shards_.size() == 1 ? " file" : " files");
}

std::vector<std::string> WeightsShards::files() const {
  std::vector<std::string> all{path()};
  for (const auto& shard : shards_) all.push_back(shard->path());
  return all;
}

void WeightsShards::read_bytes(size_t index, int64_t first, int64_t bytes, void* out) const {
  read_bytes_of(*shards_[places_[index].shard], places_[index].entry, first, bytes, out);
}

}  // namespace rela
