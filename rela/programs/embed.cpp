#include <array>

#include "rela/programs/command_line.h"
#include "rela/programs/device_option.h"
#include "rela/programs/frozen_model.h"
#include "rela/programs/program.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"
#include "runtime/io/safetensors.h"
#include "runtime/log.h"

namespace rela {
namespace {

ExitCode run(int argc, const char* const* argv) {
  CommandLine app(
      "Writes a frozen backbone's features of a data set, in its order: tensors \"features\" [N, "
      "D] f32 and "
      "\"labels\" [N] i64.",
      "embed");
  FrozenModelArguments a;
  std::string split = "test";
  std::string out;
  DeviceOption device;
  describe_arguments(app, a);
  device.describe(app);
  app.add_option("--split", split, "train or test").show_default();
  app.add_option("--out", out, "safetensors file to write").required();
  if (!app.parse(argc, argv)) return ExitCode::kDone;
  RELA_CHECK(split == "train" || split == "test", UsageError, "--split: \"", split,
             "\"; allowed: train, test");
  check_output("--out", out, inputs_of(a));
  const FrozenModel model = load_frozen_model(a, device.open());
  const auto dataset = open_matched(a, split == "train" ? Split::kTrain : Split::kTest);
  const FeatureSet set = features_of(model, *dataset, split.c_str()).on(Device::kCpu);
  check_features(set, split.c_str());
  if (!dataset->has_labels())
    log_warning("the images have no labels: 0 is written for each of them");
  const std::array tensors{
      SafetensorsTensor{"features", WireDtype::kF32, set.features.shape(), set.features.raw()},
      SafetensorsTensor{"labels", WireDtype::kI64, set.labels.shape(), set.labels.raw()}};
  write_safetensors(out, tensors, {{"split", split}, {"dataset", to_hex(dataset->fingerprint())}});
  print_result(JsonValue::Object{{"out", out},
                                 {"images", set.size()},
                                 {"width", set.width()},
                                 {"weights_sha256", weights_sha256(model.source)}});
  return ExitCode::kDone;
}

}  // namespace

int embed_main(int argc, const char* const* argv) {
  return run_single_program("embed", [&] { return run(argc, argv); });
}

}  // namespace rela
