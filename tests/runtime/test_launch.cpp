#include "runtime/comm/launch.h"

#include <gmock/gmock.h>

#include <map>

#include "runtime/error.h"

namespace rela {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

const Variables kOpenMpi{{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}};
const Variables kMpich{{"PMI_RANK", "1"}, {"PMI_SIZE", "3"}};
const Variables kPmix{{"PMIX_RANK", "5"}, {"PMIX_SIZE", "6"}};
const Variables kSrun{{"SLURM_PROCID", "6"}, {"SLURM_STEP_NUM_TASKS", "8"}};
const Variables kTorchrun{{"RANK", "0"}, {"WORLD_SIZE", "2"}};

Variables join(const std::vector<Variables>& parts) {
  Variables all;
  for (const Variables& part : parts) all.insert(part.begin(), part.end());
  return all;
}

/// "2 of 4, Open MPI", or the error.
std::string detect(const std::vector<Variables>& parts) {
  const Variables all = join(parts);
  try {
    const Launch launch = detect_launch([&](const char* name) -> std::optional<std::string> {
      const auto found = all.find(name);
      return found == all.end() ? std::nullopt : std::optional(found->second);
    });
    return cat(launch.rank, " of ", launch.size, ", ", launch.launcher);
  } catch (const DistributedError& e) {
    return e.what();
  }
}

TEST(Launch, OfAProcessThatNobodyLaunchedIsAlone) { EXPECT_EQ(detect({}), "0 of 1, "); }

TEST(Launch, KnowsEachLauncher) {
  EXPECT_EQ(detect({kOpenMpi}), "2 of 4, Open MPI");
  EXPECT_EQ(detect({kMpich}), "1 of 3, MPICH");
  EXPECT_EQ(detect({kPmix}), "5 of 6, PMIx");
  EXPECT_EQ(detect({kSrun}), "6 of 8, srun");
  EXPECT_EQ(detect({kTorchrun}), "0 of 2, torchrun");
}

TEST(Launch, TakesTheFirstOfThoseThatAgree) {
  const auto variables = [](const char* rank, const char* size) {
    return Variables{{rank, "2"}, {size, "4"}};
  };
  const std::vector<std::pair<std::string, Variables>> all{
      {"Open MPI", kOpenMpi},
      {"MPICH", variables("PMI_RANK", "PMI_SIZE")},
      {"PMIx", variables("PMIX_RANK", "PMIX_SIZE")},
      {"srun", variables("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")},
      {"torchrun", variables("RANK", "WORLD_SIZE")}};
  for (size_t first = 0; first < all.size(); ++first) {
    std::vector<Variables> there;
    for (size_t i = first; i < all.size(); ++i) there.push_back(all[i].second);
    EXPECT_EQ(detect(there), "2 of 4, " + all[first].first);
  }
}

TEST(Launch, ThatContradictsAnotherNamesBoth) {
  EXPECT_EQ(
      detect({kOpenMpi, kTorchrun}),
      "launch: Open MPI says process 2 of 4 (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE), and "
      "torchrun says process 0 of 2 (RANK, WORLD_SIZE); start rela with one launcher, and "
      "unset the variables of the other");
  EXPECT_THAT(detect({kMpich, kPmix}),
              AllOf(HasSubstr("MPICH says process 1 of 3"), HasSubstr("PMIx says process 5 of 6")));
  EXPECT_THAT(detect({kSrun, kTorchrun}), AllOf(HasSubstr("srun says process 6 of 8"),
                                                HasSubstr("torchrun says process 0 of 2")));
  const Variables other_rank{{"RANK", "1"}, {"WORLD_SIZE", "4"}};
  EXPECT_THAT(detect({kOpenMpi, other_rank}), HasSubstr("torchrun says process 1 of 4"));
}

TEST(Launch, OfMpirunIsNotThatOfTheSrunThatItsHelpersWereStartedWith) {
  EXPECT_EQ(detect({kOpenMpi, kSrun}), "2 of 4, Open MPI");
  EXPECT_EQ(detect({kMpich, kSrun}), "1 of 3, MPICH");
}

TEST(Launch, IsNotAskedForInBatchScripts) {
  EXPECT_EQ(detect({{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}}), "0 of 1, ");
}

TEST(Launch, WithHalfOfItsVariablesNamesTheMissingOne) {
  EXPECT_EQ(
      detect({{{"PMIX_RANK", "1"}}}),
      "launch: PMIX_RANK is set and PMIX_SIZE is not: half of what PMIx says; start rela with "
      "mpirun or srun, or unset the variable");
  EXPECT_THAT(detect({{{"OMPI_COMM_WORLD_SIZE", "4"}}}),
              HasSubstr("OMPI_COMM_WORLD_SIZE is set and OMPI_COMM_WORLD_RANK is not"));
  EXPECT_THAT(detect({{{"PMI_RANK", "0"}}}), HasSubstr("PMI_SIZE is not"));
  EXPECT_THAT(detect({{{"WORLD_SIZE", "2"}}}), HasSubstr("RANK is not"));
}

TEST(Launch, OfOpenMpiIsWholeWithPmixsRankAlone) {
  EXPECT_EQ(detect({kOpenMpi, {{"PMIX_RANK", "2"}}}), "2 of 4, Open MPI");
  EXPECT_EQ(detect({kSrun, {{"PMIX_RANK", "6"}}}), "6 of 8, srun");
}

TEST(Launch, WithNumbersThatAreNoneNamesTheVariable) {
  for (const char* text : {"", "-1", "two", "1.5", "3 ", "99999999999"}) {
    EXPECT_THAT(detect({{{"RANK", text}, {"WORLD_SIZE", "4"}}}),
                HasSubstr(cat("torchrun set RANK=", text, "; it must be a whole number")));
  }
  EXPECT_THAT(detect({{{"PMI_RANK", "4"}, {"PMI_SIZE", "4"}}}),
              HasSubstr("PMI_RANK=4 and PMI_SIZE=4; the rank must be below"));
  EXPECT_THAT(detect({{{"PMI_RANK", "0"}, {"PMI_SIZE", "0"}}}), HasSubstr("PMI_SIZE=0"));
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
