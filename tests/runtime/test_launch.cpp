#include "runtime/comm/launch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "runtime/error.h"

namespace rela {
namespace {

Launch launch_in(const std::map<std::string, std::string>& variables) {
  return detect_launch([&](const char* name) -> std::optional<std::string> {
    const auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional(it->second);
  });
}

TEST(Launch, TheFirstLauncherThatLeftBothNumbersCounts) {
  EXPECT_TRUE(launch_in({}).is_alone());
  EXPECT_EQ(launch_in({}).launcher, "");
  EXPECT_EQ(launch_in({{"SLURM_PROCID", "0"}}).launcher, "");  // a batch script, no step
  const Launch both = launch_in({{"OMPI_COMM_WORLD_RANK", "2"},
                                 {"OMPI_COMM_WORLD_SIZE", "3"},
                                 {"SLURM_PROCID", "0"},
                                 {"SLURM_STEP_NUM_TASKS", "1"}});
  EXPECT_EQ(both.launcher, "Open MPI");
  EXPECT_EQ(both.rank, 2);
  EXPECT_EQ(both.size, 3);
  EXPECT_THROW(launch_in({{"PMI_RANK", "3"}, {"PMI_SIZE", "3"}}), DistributedError);
}

TEST(BindingHint, IsForAProcessWithOneCoreOfMany) {
  const Launch launch{.rank = 0, .size = 1, .launcher = "PMIx"};
  EXPECT_EQ(binding_hint(launch, 1, 8),
            "launch: PMIx left this process one core of 8, so it computes with one thread; mpirun "
            "--bind-to none, or srun --cpu-bind=none with --cpus-per-task, gives it more");
  EXPECT_EQ(binding_hint(launch, 2, 8), "");
  EXPECT_EQ(binding_hint(launch, 1, 2), "");
  EXPECT_EQ(binding_hint(Launch{}, 1, 8), "");
}

}  // namespace
}  // namespace rela
