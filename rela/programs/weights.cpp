#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "rela/onnx/export_onnx.h"
#include "rela/prior/model_source.h"
#include "rela/programs/command_line.h"
#include "rela/programs/frozen_model.h"
#include "rela/programs/program.h"
#include "rela/weights/hub_folder.h"
#include "rela/weights/inspect.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"
#include "runtime/log.h"
#include "runtime/ops/statistics.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string in, out;
  std::string prefix;
  std::string model;
  std::string activation;
  std::string layout = "timm";
  std::string to = "safetensors";
  bool json = false;
  bool allow_partial = false;
  bool overwrite = false;

  std::optional<std::string> chosen_prefix() const {
    return prefix.empty() ? std::nullopt : std::optional(prefix);
  }
};

void describe_input(CommandLine& app, Arguments& a) {
  app.add_option("WEIGHTS", a.in,
                 "safetensors, a file of torch.save or torch.jit.save, an index of shards, or a "
                 "folder that holds one of these")
      .required();
  app.add_option("--prefix", a.prefix,
                 "what stands before the backbone's names; otherwise it is searched for");
}

void describe_inspect(CommandLine& app, Arguments& a) {
  describe_input(app, a);
  app.add_flag("--json", a.json, "one JSON object instead of a table");
}

void describe_convert(CommandLine& app, Arguments& a) {
  describe_input(app, a);
  app.add_option("OUT", a.out,
                 "folder to write, with model.safetensors and config.json; file for --to onnx")
      .required();
  app.add_option("--to", a.to, "safetensors or onnx").show_default();
  app.add_option("--model", a.model, "the model's name; otherwise recognised by its tensors");
  describe_activation(app, a.activation);
  app.add_option("--layout", a.layout, "whose names: timm, torchvision or huggingface")
      .show_default();
  app.add_flag("--allow-partial", a.allow_partial,
               "take weights that are incomplete or do not all fit; what is missing stays random");
  app.add_flag("--overwrite", a.overwrite, "replace weights that are there");
}

ExitCode inspect(const Arguments& a) {
  const JsonValue inspection = inspect_weights(a.in, a.chosen_prefix());
  if (a.json) {
    print_result(inspection);
  } else {
    std::fputs(inspection_text(inspection).c_str(), stdout);
  }
  return ExitCode::kDone;
}

NameLayout layout_of(const Arguments& a) {
  if (a.layout == "timm") return NameLayout::kTimm;
  if (a.layout == "torchvision") return NameLayout::kTorchvision;
  RELA_CHECK(a.layout == "huggingface", UsageError, "--layout: \"", a.layout,
             "\"; allowed: timm, torchvision, huggingface");
  return NameLayout::kHuggingFace;
}

bool has_config(const fs::path& weights) {
  return fs::exists(weights.parent_path() / "config.json");
}

ModelSource source_of(const Arguments& a, const BackboneWeights& weights) {
  RELA_CHECK(a.activation.empty() || !a.model.empty(), UsageError,
             "--activation: needs --model, the model's name");
  ModelSource source = a.model.empty() ? recognise_model(weights).source
                                       : named_model(a.model, weights, activation_of(a.activation));
  const std::string hidden = what_weights_do_not_show(source.spec);
  RELA_CHECK(!a.model.empty() || hidden.empty() || has_config(weights.path()), UsageError,
             "--model: the weights fit ", name_of(source.spec), " with ", hidden,
             ", which they do not show; name the model, and say --activation if its name does not");
  source.allow_partial = a.allow_partial;
  return source;
}

/// What the weights are read with. A folder may be rewritten in place, with its weights: then they
/// are no more.
std::vector<std::string> inputs_of(const std::vector<fs::path>& written, const fs::path& weights,
                                   bool is_onnx) {
  std::error_code none;
  const bool is_in_place = !is_onnx && std::ranges::any_of(written, [&](const fs::path& file) {
    return fs::equivalent(file, weights, none);
  });
  if (is_in_place) return {};
  std::vector<std::string> inputs{weights.string()};
  for (const fs::path& file : described_by(weights)) inputs.push_back(file.string());
  return inputs;
}

/// A run may not lose what it consists of, nor get weights of another network beside its own.
void check_outputs(const std::vector<fs::path>& written, const std::string& weights, bool is_onnx) {
  const std::vector<std::string> inputs = inputs_of(written, weights, is_onnx);
  for (const fs::path& file : written) {
    check_output_name("OUT", file.string());
    if (is_onnx || fs::exists(file))
      check_output("OUT", file.string(), inputs);  // else in a new folder
  }
  for (const fs::path& file : written) {
    const fs::path folder = fs::absolute(file).parent_path();
    const bool would_mix = !is_onnx || fs::exists(file);
    RELA_CHECK(!would_mix || !holds_export(folder), UsageError, "OUT: ", folder.string(),
               " holds what a run has exported; name another ", is_onnx ? "file" : "folder");
  }
}

/// Whoever converts them may want to mend them: no reason to refuse.
void warn_of_numbers_that_are_none(const Backbone& backbone) {
  for (const StateTensor& t : state_of(backbone)) {
    if (t.value.dtype() != Dtype::kF32) continue;
    if (const int64_t bad = count_nonfinite(t.value); bad > 0)
      log_warning(t.name, ": ", bad, " of ", t.value.numel(), " numbers are NaN or infinite");
  }
}

ExitCode convert(const Arguments& a) {
  const NameLayout layout = layout_of(a);
  RELA_CHECK(a.to == "safetensors" || a.to == "onnx", UsageError, "--to: \"", a.to,
             "\"; allowed: safetensors, onnx");
  const bool is_onnx = a.to == "onnx";
  RELA_CHECK(!is_onnx || a.layout == "timm", UsageError, "--layout: ", a.layout,
             "; --to onnx has names of its own: leave it out");
  const std::vector<fs::path> written =
      is_onnx ? std::vector<fs::path>{a.out} : files_of_hub_folder(a.out, layout);
  const fs::path& file = written.front();
  for (const fs::path& path : written) {
    RELA_CHECK(a.overwrite || !fs::exists(path), IoError, path.string(),
               ": exists; name another folder or pass --overwrite");
  }
  const auto weights = open_backbone_weights(a.in, a.chosen_prefix());
  check_outputs(written, weights->path(), is_onnx);
  const ModelSource source = source_of(a, *weights);
  const auto backbone = load_backbone(source, *weights);
  warn_of_numbers_that_are_none(*backbone);
  tell_assumed_size(source);
  if (is_onnx) {
    export_onnx(a.out, source, *backbone);
  } else {
    write_hub_folder(a.out, source, *backbone, layout);
  }
  print_result(JsonValue::Object{{"out", file.string()},
                                 {"model", name_of(source.spec)},
                                 {"layout", weights->layout()},
                                 {"width", backbone->feature_width()},
                                 {"sha256", sha256_file(file.string())}});
  return ExitCode::kDone;
}

ExitCode run(int argc, const char* const* argv) {
  CommandLine app("Looks into files of weights and converts them.", "weights");
  Arguments a;
  CommandLine& look = app.add_subcommand(
      "inspect", "tensors with shapes, types and norms; the model they are of, and its images");
  describe_inspect(look, a);
  CommandLine& change = app.add_subcommand(
      "convert", "writes the backbone alone, under timm's, torchvision's or Hugging Face's names");
  describe_convert(change, a);
  if (!app.parse(argc, argv)) return ExitCode::kDone;
  return look.was_given() ? inspect(a) : convert(a);
}

}  // namespace

int weights_main(int argc, const char* const* argv) {
  return run_single_program("weights", [&] { return run(argc, argv); });
}

}  // namespace rela
