#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "rela/data/photos/pack_file.h"
#include "rela/data/photos/packing.h"
#include "rela/data/photos/photos.h"
#include "rela/programs/command_line.h"
#include "rela/programs/frozen_model.h"
#include "rela/programs/program.h"
#include "rela/run/signals.h"
#include "runtime/io/file.h"
#include "runtime/log.h"

namespace rela {
namespace {

struct Arguments {
  std::string data, out;
  std::string format = "imagefolder";
  std::string split;
  int64_t size = 0;
  int64_t quality = 95;
  bool skip_bad = false;
  bool verify = false;
};

void describe(CommandLine& app, Arguments& a) {
  app.add_option("DATASET", a.data, "folder, archive or packed file").required();
  app.add_option("OUT", a.out, "file to write, e.g. train.pack");
  app.add_option("--format", a.format, "imagefolder, tar or packed").show_default();
  app.add_option("--split", a.split,
                 "train or test; otherwise train is packed, and --verify looks at both");
  app.add_option("--size", a.size,
                 "shrink images whose shorter side is longer, and encode them anew; otherwise all "
                 "are kept as they are")
      .between(1, 65'500);
  app.add_option("--quality", a.quality, "of images that are encoded anew")
      .between(1, 100)
      .show_default();
  app.add_flag("--skip-bad", a.skip_bad, "leave out images that cannot be decoded");
  app.add_flag("--verify", a.verify,
               "decode every image, of the test split too, name the bad ones, and write nothing");
}

DatasetSource source_of(const Arguments& a, const std::string& split) {
  DatasetSource source;
  source.format = data_format(a.format);
  RELA_CHECK(source.format == DataFormat::kImageFolder || source.format == DataFormat::kTar ||
                 source.format == DataFormat::kPacked,
             UsageError, "--format: \"", a.format, "\"; allowed: imagefolder, tar, packed");
  RELA_CHECK(split == "train" || split == "test", UsageError, "--split: \"", split,
             "\"; allowed: train, test");
  source.path = a.data;
  source.split = split == "train" ? Split::kTrain : Split::kTest;
  RELA_CHECK(source.split == Split::kTrain || has_split(source), DataError, a.data,
             ": has no test split (a folder val, validation, valid or test, an archive or a packed "
             "file so called); to take DATASET itself, leave out --split");
  if (a.skip_bad && !a.verify) source.bad_images = {BadImages::kSkip, 1.0};
  return source;
}

std::vector<std::string> splits_to_verify(const Arguments& a) {
  if (!a.split.empty()) return {a.split};
  DatasetSource test = source_of(a, "train");
  test.split = Split::kTest;
  return has_split(test) ? std::vector<std::string>{"train", "test"}
                         : std::vector<std::string>{"train"};
}

ExitCode verify(const Arguments& a) {
  int64_t images = 0, bad = 0, classes = 0;
  JsonValue::Array splits;
  for (const std::string& split : splits_to_verify(a)) {
    const auto set = open_photos(source_of(a, split));
    for (const std::string& line : verify_images(*set, show_pass(split + " images decoded"))) {
      std::printf("%s\n", line.c_str());
      ++bad;
    }
    images += set->size();
    classes = std::max(classes, set->has_labels() ? set->num_classes() : int64_t{0});
    splits.emplace_back(split);
  }
  print_result(JsonValue::Object{
      {"images", images}, {"bad", bad}, {"classes", classes}, {"splits", std::move(splits)}});
  return bad == 0 ? ExitCode::kDone : ExitCode::kData;
}

ExitCode run(int argc, const char* const* argv) {
  CommandLine app("Packs a data set of photographs into one file with checksums, or verifies one.",
                  "pack");
  Arguments a;
  describe(app, a);
  if (!app.parse(argc, argv)) return ExitCode::kDone;
  RELA_CHECK(a.verify || !a.out.empty(), UsageError,
             "OUT: no file to write was named; or pass --verify");
  if (a.verify) {
    for (const std::string& option : app.given_options()) {
      const bool is_for_writing =
          option == "--size" || option == "--quality" || option == "--skip-bad";
      RELA_CHECK(!is_for_writing, UsageError, option, ": --verify writes nothing; leave it out");
    }
    RELA_CHECK(a.out.empty(), UsageError, "OUT: \"", a.out,
               "\"; --verify writes nothing; leave it out");
    release_signals();
    return verify(a);
  }
  RELA_CHECK(a.size > 0 || std::ranges::count(app.given_options(), "--quality") == 0, UsageError,
             "--quality: images are encoded anew for --size only; leave it out");
  const DatasetSource source = source_of(a, a.split.empty() ? "train" : a.split);
  check_output("OUT", a.out, {a.data});
  RELA_CHECK(!std::filesystem::exists(a.out) || is_pack(a.out), UsageError, "OUT: \"", a.out,
             "\" is there already, and is no packed data set; name another file, or delete it");
  constexpr auto kSurelyLeft = std::chrono::minutes(10);  // by a process that was killed
  remove_unfinished(a.out, kSurelyLeft);
  // To the end of the process: the packed file may be in place, and a signal be on its way.
  [[maybe_unused]] static const SignalWatch& signals = *new SignalWatch;
  const StopAtOnce stop([&] {
    log_warning("stopped by ", SignalWatch::stop_signal_name(),
                "; nothing was written, the same command starts again");
    remove_unfinished(a.out, kSurelyLeft);
  });
  const auto set = open_photos(source);
  const PackResult result = write_pack(*set, a.out,
                                       {.size = a.size,
                                        .quality = static_cast<int>(a.quality),
                                        .progress = show_pass("images packed")});
  print_result(JsonValue::Object{{"out", a.out},
                                 {"images", result.images},
                                 {"left_out", set->bad_images()},
                                 {"shrunk", result.shrunk},
                                 {"bytes", result.bytes}});
  return ExitCode::kDone;
}

}  // namespace

int pack_main(int argc, const char* const* argv) {
  return run_single_program("pack", [&] { return run(argc, argv); });
}

}  // namespace rela
