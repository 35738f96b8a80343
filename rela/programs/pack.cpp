#include <cstdio>
#include <filesystem>

#include "rela/data/photos/pack_file.h"
#include "rela/data/photos/packing.h"
#include "rela/data/photos/photos.h"
#include "rela/programs/command_line.h"
#include "rela/programs/frozen_model.h"
#include "rela/programs/program.h"
#include "runtime/io/file.h"
#include "runtime/log.h"

namespace rela {
namespace {

struct Arguments {
  std::string data, out;
  std::string format = "imagefolder";
  std::string split = "train";
  int64_t size = 0;
  int64_t quality = 95;
  bool skip_bad = false;
  bool verify = false;
};

void describe(CommandLine& app, Arguments& a) {
  app.add_option("DATASET", a.data, "folder, archive or packed file").required();
  app.add_option("OUT", a.out, "file to write, e.g. train.pack");
  app.add_option("--format", a.format, "imagefolder, tar or packed").show_default();
  app.add_option("--split", a.split, "train or test").show_default();
  app.add_option("--size", a.size,
                 "shrink images whose shorter side is longer, and encode them anew; otherwise all "
                 "are kept as they are")
      .between(1, 65'500);
  app.add_option("--quality", a.quality, "of images that are encoded anew")
      .between(1, 100)
      .show_default();
  app.add_flag("--skip-bad", a.skip_bad, "leave out images that cannot be decoded");
  app.add_flag("--verify", a.verify, "decode every image, name the bad ones, and write nothing");
}

DatasetSource source_of(const Arguments& a) {
  DatasetSource source;
  source.format = data_format(a.format);
  RELA_CHECK(source.format == DataFormat::kImageFolder || source.format == DataFormat::kTar ||
                 source.format == DataFormat::kPacked,
             UsageError, "--format: \"", a.format, "\"; allowed: imagefolder, tar, packed");
  RELA_CHECK(a.split == "train" || a.split == "test", UsageError, "--split: \"", a.split,
             "\"; allowed: train, test");
  source.path = a.data;
  source.split = a.split == "train" ? Split::kTrain : Split::kTest;
  if (source.split == Split::kTest && !has_split(source)) source.path_is_split = true;
  if (a.skip_bad && !a.verify) source.bad_images = {BadImages::kSkip, 1.0};
  return source;
}

ExitCode verify(const PhotoDataset& set) {
  const std::vector<std::string> bad = verify_images(set, show_pass("images decoded"));
  for (const std::string& line : bad) std::printf("%s\n", line.c_str());
  print_result(JsonValue::Object{{"images", set.size()},
                                 {"bad", static_cast<int64_t>(bad.size())},
                                 {"classes", set.has_labels() ? set.num_classes() : int64_t{0}}});
  return bad.empty() ? ExitCode::kDone : ExitCode::kData;
}

ExitCode run(int argc, const char* const* argv) {
  CommandLine app("Packs a data set of photographs into one file with checksums, or verifies one.",
                  "pack");
  Arguments a;
  describe(app, a);
  if (!app.parse(argc, argv)) return ExitCode::kDone;
  RELA_CHECK(a.verify || !a.out.empty(), UsageError,
             "OUT: no file to write was named; or pass --verify");
  const DatasetSource source = source_of(a);
  if (!a.verify) {
    check_output("OUT", a.out, {a.data});
    RELA_CHECK(!std::filesystem::exists(a.out) || is_pack(a.out), UsageError, "OUT: \"", a.out,
               "\" is there already, and is no packed data set; name another file, or delete it");
  }
  const auto set = open_photos(source);
  if (a.verify) return verify(*set);
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
