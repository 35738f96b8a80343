#include "rela/experiments/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "rela/config/config_sections.h"
#include "rela/config/normalize_field.h"
#include "rela/experiments/learned_targets.h"
#include "rela/experiments/table.h"
#include "rela/train/setup.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"
#include "runtime/io/nearest.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

/// Keys that the driver sets, and what to use instead.
const std::map<std::string, std::string> kDriverKeys{
    {"data.ratio", "ratios"}, {"seed", "seeds"}, {"out", "--out"}, {"rela.targets_path", ""}};

JsonValue parse_file(const std::string& path) {
  try {
    return parse_json(read_text_file(path));
  } catch (const JsonError& error) {
    throw ConfigError(cat(path, ": not JSON: ", error.what()));
  }
}

struct Override {
  std::string run;  // empty: every run
  std::string assignment;
};

Override parse_override(const std::string& text) {
  const size_t colon = text.substr(0, text.find('=')).find(':');
  if (colon == std::string::npos) return {"", text};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::string key_of(const std::string& assignment) {
  return assignment.substr(0, assignment.find('='));
}

/// What tells apart priors of one name and file; empty for a prior as it was trained.
std::string prior_variant(const PriorSource& prior) {
  std::string text;
  if (prior.image_size) text += cat('\n', *prior.image_size);
  if (prior.activation != ClipActivation::kUnstated) {
    text += cat('\n', choice_name(clip_activations(), prior.activation));
  }
  return text;
}

/// The file of a cell's targets: cells with the same targets share it.
std::string targets_path(const std::string& out, const ExperimentConfig& c) {
  const PriorSource& prior = c.rela.prior;
  const bool is_random = prior.model == kRandomPrior;
  const std::string what =
      cat(prior.model, '\n', prior.weights, prior.allow_partial ? "\npartial\n" : "\n",
          prior.normalize ? to_json_text(to_json(*prior.normalize), JsonLayout::kCompact) : "",
          '\n', c.rela.pca_dim.value_or(0), '\n', identity_of(c.backbone), '\n',
          is_random ? c.view(0).crop_size : 0, '\n',
          is_random ? static_cast<int>(init_of(c.backbone)) : 0, '\n',
          static_cast<int>(c.data.format), '\n', c.data.train_path, '\n', c.data.synthetic_images,
          '\n', is_random ? c.seed : -1, prior_variant(prior));
  const uint64_t hash = content_hash(what.data(), static_cast<int64_t>(what.size()));
  std::string model = prior.model;
  std::ranges::replace(model, '/', '-');  // as in ViT-B/32
  const std::string name = cat("targets-", model, "-", to_hex(hash).substr(0, 8), ".bin");
  return (fs::path(out) / name).string();
}

class Planner {
 public:
  explicit Planner(const PlanOptions& options)
      : folder_(fs::absolute(options.table).parent_path().string()),
        document_(parse_file(options.table)),
        only_(options.only) {
    plan_.out = absolute_path("", options.out);
    for (const std::string& text : options.overrides) overrides_.push_back(parse_override(text));
    describe(config_table_, defaults_);
  }

  Plan plan() {
    read_table();
    if (read_base()) {
      for (size_t i = 0; i < table_.runs.size(); ++i) plan_run(i);
    }
    fail_if_wrong();
    count_steps();
    fail_if_wrong();
    name_targets();
    return std::move(plan_);
  }

 private:
  void read_table() {
    ConfigTable table;
    describe(table, table_);
    ConfigIssues issues;
    read_config(table, document_, folder_, issues);
    check_overrides(issues);
    report("", issues);
    plan_.title = table_.title;
    plan_.note = table_.note;
    plan_.evaluate = table_.evaluate;
  }

  void check_overrides(ConfigIssues& issues) const {
    std::vector<std::string> names;
    for (const RunSpec& run : table_.runs) names.push_back(run.name);
    for (const Override& o : overrides_) {
      const JsonValue value(o.assignment);
      if (!o.run.empty() && std::count(names.begin(), names.end(), o.run) == 0) {
        issues.add(o.run, {"no run of the table has this name", nearest_word(o.run, names)},
                   &value);
      }
      check_not_a_driver_key(key_of(o.assignment), value, issues);
    }
  }

  static void check_not_a_driver_key(const std::string& key, const JsonValue& value,
                                     ConfigIssues& issues) {
    const auto found = kDriverKeys.find(key);
    if (found == kDriverKeys.end()) return;
    const std::string& instead = found->second;
    issues.add(key, {instead.empty() ? "is set for each run, by its prior" : "use " + instead},
               &value);
  }

  /// Whether there is a base to build on.
  bool read_base() {
    if (!table_.base.path.empty()) {
      base_ = parse_file(table_.base.path);
      base_folder_ = fs::path(table_.base.path).parent_path().string();
    } else {
      base_ = table_.base.in_table;
      base_folder_ = folder_;
    }
    if (base_.is_null()) return false;
    ConfigIssues issues;
    read_experiment_config(base_, base_folder_, issues);
    report(table_.base.path.empty() ? "base: " : table_.base.path + ": ", issues);
    if (!issues.empty()) return false;
    // What all runs share is checked once, so that its mistakes are reported once.
    ConfigIssues shared;
    JsonValue document = base_;
    apply(document, table_.set, shared);
    apply_overrides(document, nullptr, shared);
    read_experiment_config(document, base_folder_, shared);
    report("set: ", shared);
    return true;
  }

  void apply(JsonValue& document, const JsonValue::Object& set, ConfigIssues& issues) const {
    for (const JsonValue::Member& setting : set) {
      if (setting.first == "_comment") continue;
      check_not_a_driver_key(setting.first, setting.second, issues);
      apply_setting(document, config_table_, setting, folder_, issues);
    }
  }

  /// Applies the overrides for every run, and those for `run`.
  void apply_overrides(JsonValue& document, const RunSpec* run, ConfigIssues& issues) const {
    for (const Override& o : overrides_) {
      const bool is_meant = o.run.empty() || (run != nullptr && o.run == run->name);
      if (is_meant) apply_override(document, config_table_, o.assignment, issues);
    }
  }

  void plan_run(size_t index) {
    const RunSpec& run = table_.runs[index];
    ConfigIssues issues;
    JsonValue document = base_;
    apply(document, table_.set, issues);
    apply(document, run.set, issues);
    apply_overrides(document, &run, issues);
    const ExperimentConfig config = read_experiment_config(document, base_folder_, issues);
    report(fmt::format("runs.{} \"{}\": ", index, run.name), issues);
    for (const double ratio : run.ratios.empty() ? std::vector{config.data.ratio} : run.ratios) {
      for (const int64_t seed : run.seeds.empty() ? std::vector{config.seed} : run.seeds) {
        add_cell(index, config, ratio, seed);
      }
    }
  }

  void add_cell(size_t index, const ExperimentConfig& config, double ratio, int64_t seed) {
    Cell cell{.run = table_.runs[index].name, .name = "", .folder = "", .config = config};
    cell.name = fmt::format("{}-r{}-s{}", cell.run, ratio_text(ratio), seed);
    cell.folder = (fs::path(plan_.out) / cell.name).string();
    cell.config.data.ratio = ratio;
    cell.config.seed = seed;
    cell.config.out = cell.folder;
    if (cell.config.has_rela_phase()) {
      cell.config.rela.targets_path = targets_path(plan_.out, cell.config);
    }
    std::string lower = cell.name;  // some disks do not tell letters' cases apart
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (const auto [earlier, is_new] = cell_names_.try_emplace(lower, cell.name); !is_new) {
      ConfigIssues issues;
      issues.add(fmt::format("runs.{}", index),
                 {earlier->second == cell.name
                      ? fmt::format("the run {} is in the table twice", cell.name)
                      : fmt::format("the runs {} and {} differ by the case of letters only",
                                    earlier->second, cell.name)},
                 value_at(document_, fmt::format("runs.{}.name", index)));
      report("", issues);
    }
    plan_.cells.push_back(std::move(cell));
  }

  struct DataFacts {
    int64_t size = 0;
    bool has_labels = false;
    std::string fingerprint{};
  };

  void count_steps() {
    std::map<std::string, DataFacts> sets;
    for (Cell& cell : plan_.cells) {
      const DataConfig& data = cell.config.data;
      const std::string key =
          cat(static_cast<int>(data.format), data.synthetic_images, data.train_path);
      try {
        if (!sets.contains(key)) {
          const auto images = open_split(cell.config, Split::kTrain);
          sets[key] = {images->size(), images->has_labels(), to_hex(images->fingerprint())};
        }
        cell.data = sets[key].fingerprint;
        cell.images = sets[key].size;
        cell.total_steps = run_length(cell.config, sets[key].size).total_steps;
        if (sets[key].has_labels) cell.test_data = test_fingerprint(cell.config);
      } catch (const ConfigError& error) {
        mistakes_.push_back(cat(cell.name, ": ", error.what()));
      } catch (const Error&) {  // DataError, IoError
        if (is_selected(cell, only_)) throw;
      }
    }
  }

  /// Each prior is loaded once.
  void name_targets() {
    std::map<std::string, std::string> known;
    for (Cell& cell : plan_.cells) {
      if (!fs::exists(fs::path(cell.folder) / "metrics.jsonl")) continue;
      const std::string key = cell.config.rela.targets_path + '\n' + cell.data;
      const auto [found, is_new] = known.try_emplace(key);
      if (is_new) found->second = targets_now(cell);
      cell.targets = found->second;
    }
  }

  /// Empty if nothing is measured on test images. If they are not there or cannot be read, it is
  /// none that a result can have: the cell's programs will say why.
  std::string test_fingerprint(const ExperimentConfig& config) {
    const bool is_judged = config.eval.knn_every_epochs > 0 || !plan_.evaluate.empty();
    if (!is_judged) return "";
    const DataConfig& data = config.data;
    const std::string key =
        cat(static_cast<int>(data.format), ' ', static_cast<int>(data.bad_images.policy), ' ',
            data.val_path.empty() ? data.train_path : data.val_path, ' ', data.val_path.empty());
    const auto [found, is_new] = test_fingerprints_.try_emplace(key, "none");
    try {
      if (is_new && has_test_split(config))
        found->second = to_hex(open_split(config, Split::kTest)->fingerprint());
    } catch (const Error&) {  // told by the programs, of this cell alone
    }
    return found->second;
  }

  /// Omits mistakes that have already been reported for another part of the table.
  void report(const std::string& where, const ConfigIssues& issues) {
    const std::string text = issues.text();
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string line = text.substr(begin, end - begin);
      if (blamed_.insert(line).second) mistakes_.push_back(where + line);
      begin = end + 1;
    }
  }

  void fail_if_wrong() const {
    std::string text;
    for (const std::string& line : mistakes_) text += (text.empty() ? "" : "\n") + line;
    if (!text.empty()) throw ConfigError(text);
  }

  std::string folder_;  // of the table
  JsonValue document_;  // the table
  std::vector<std::string> only_;
  ExperimentTable table_;
  std::vector<Override> overrides_;
  JsonValue base_;
  std::string base_folder_;
  ExperimentConfig defaults_;
  ConfigTable config_table_;
  std::map<std::string, std::string> cell_names_;  // by their lower-case letters
  std::set<std::string> blamed_;
  std::vector<std::string> mistakes_;
  std::map<std::string, std::string> test_fingerprints_;
  Plan plan_;
};

}  // namespace

bool is_selected(const Cell& cell, const std::vector<std::string>& only) {
  const auto names_it = [&](const std::string& name) {
    return name == cell.run || name == cell.name;
  };
  return only.empty() || std::any_of(only.begin(), only.end(), names_it);
}

std::string ratio_text(double ratio) { return fmt::format("{:g}", ratio); }

Plan make_plan(const PlanOptions& options) { return Planner(options).plan(); }

}  // namespace rela
