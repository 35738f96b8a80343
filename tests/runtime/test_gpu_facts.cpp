#include "runtime/gpu_facts.h"

#include <gmock/gmock.h>

namespace rela {
namespace {

using testing::AllOf;
using testing::HasSubstr;

GpuFacts good_machine() {
  return {.build = CudaBuild::kGpu,
          .runtime_version = 13000,
          .driver_version = 13010,
          .architectures = "80-real, 90-real, 120",
          .visible_devices = std::nullopt,
          .error = "",
          .gpus = {{"NVIDIA H100", 9, 0, 132, size_t{80} << 30}}};
}
GpuFacts machine_without_gpu() {
  GpuFacts facts = good_machine();
  facts.gpus.clear();
  facts.error = "no CUDA-capable device is detected";
  return facts;
}

TEST(GpuComplaint, IsEmptyForAUsableGpu) { EXPECT_EQ(gpu_complaint(good_machine()), ""); }

TEST(GpuComplaint, OfABuildWithoutCudaNamesTheSwitch) {
  EXPECT_THAT(gpu_complaint({}), AllOf(HasSubstr("device: cuda is not in this build"),
                                       HasSubstr("-DRELA_CUDA=ON"), HasSubstr("\"cpu\"")));
}

TEST(GpuComplaint, WithoutADriverSaysWhichOneToInstall) {
  GpuFacts facts = machine_without_gpu();
  facts.driver_version = 0;
  EXPECT_THAT(gpu_complaint(facts),
              AllOf(HasSubstr("no GPU driver is installed"), HasSubstr("CUDA 13.0 or newer")));
}

TEST(GpuComplaint, OfAnOldDriverNamesBothVersions) {
  GpuFacts facts = machine_without_gpu();
  facts.driver_version = 12040;
  EXPECT_THAT(gpu_complaint(facts),
              AllOf(HasSubstr("the GPU driver serves CUDA up to 12.4, this build uses CUDA 13.0"),
                    HasSubstr("install a newer driver")));
}

TEST(GpuComplaint, AcceptsAnOlderDriverOfTheSameMajorVersion) {
  GpuFacts facts = good_machine();
  facts.runtime_version = 13020;
  facts.driver_version = 13000;
  EXPECT_EQ(gpu_complaint(facts), "");
}

TEST(GpuComplaint, PassesOnWhichLibraryIsMissing) {
  GpuFacts facts = good_machine();
  facts.missing_library = "cuDNN (libcudnn.so.9) was not found; install it";
  EXPECT_EQ(gpu_complaint(facts),
            "device: cuDNN (libcudnn.so.9) was not found; install it, or choose \"device\": "
            "\"cpu\" (--device cpu)");
}

TEST(GpuComplaint, SeesThatTheEnvironmentHidesEveryGpu) {
  for (const char* value : {"", " ", "-1", ","}) {
    GpuFacts facts = machine_without_gpu();
    facts.visible_devices = value;
    EXPECT_THAT(gpu_complaint(facts), AllOf(HasSubstr(std::string("CUDA_VISIBLE_DEVICES is \"") +
                                                      value + "\", which hides"),
                                            HasSubstr("CUDA_VISIBLE_DEVICES=0")));
  }
}

TEST(GpuComplaint, OfAnEmptyMachineHasTheDriversWordsAndTheEnvironment) {
  GpuFacts facts = machine_without_gpu();
  facts.visible_devices = "7";
  EXPECT_THAT(gpu_complaint(facts),
              AllOf(HasSubstr("no usable GPU was found (no CUDA-capable device is detected)"),
                    HasSubstr("CUDA_VISIBLE_DEVICES is \"7\""), HasSubstr("nvidia-smi")));
}

TEST(GpuComplaint, OfAnOldGpuNamesItAndWhatIsNeeded) {
  GpuFacts facts = good_machine();
  facts.gpus.front() = {"Tesla T4", 7, 5, 40, size_t{15} << 30};
  EXPECT_THAT(gpu_complaint(facts), AllOf(HasSubstr("Tesla T4, compute capability 7.5"),
                                          HasSubstr("8.0 or higher is needed")));
}

TEST(GpuComplaint, OfAGpuThatNoKernelServesNamesTheSwitch) {
  GpuFacts facts = good_machine();
  facts.architectures = "90a-real";
  EXPECT_EQ(gpu_complaint(facts), "");
  facts.gpus.front() = {"NVIDIA B200", 10, 0, 148, size_t{180} << 30};
  EXPECT_THAT(gpu_complaint(facts),
              AllOf(HasSubstr("NVIDIA B200, compute capability 10.0"),
                    HasSubstr("this build holds kernels for 90a-real"),
                    HasSubstr("-DCMAKE_CUDA_ARCHITECTURES=100"), HasSubstr("--device cpu")));
}

TEST(Architectures, ServeWhatNvidiaPromises) {
  // Machine code: later GPUs of its major version. PTX: all later ones.
  EXPECT_TRUE(architectures_serve("80-real", 8, 9));
  EXPECT_FALSE(architectures_serve("86-real", 8, 0));
  EXPECT_FALSE(architectures_serve("80-real, 89-real", 9, 0));
  EXPECT_TRUE(architectures_serve("80-virtual", 12, 0));
  EXPECT_TRUE(architectures_serve("80-real, 90", 10, 3));
  EXPECT_FALSE(architectures_serve("90", 8, 9));
  // Code for features of one GPU: there alone, PTX included. For a family: its major version.
  EXPECT_TRUE(architectures_serve("90a", 9, 0));
  EXPECT_FALSE(architectures_serve("90a", 10, 0));
  EXPECT_TRUE(architectures_serve("100f", 10, 3));
  EXPECT_FALSE(architectures_serve("100f", 12, 0));
  EXPECT_TRUE(architectures_serve("native", 8, 6));
}

TEST(GpuFacts, AreDescribedInOneLine) {
  EXPECT_EQ(describe_gpu(good_machine().gpus.front()),
            "NVIDIA H100, compute capability 9.0, 132 multiprocessors, 80.0 GiB");
  EXPECT_EQ(describe_build(good_machine()), "CUDA 13.0 for 80-real, 90-real, 120");
  EXPECT_EQ(describe_build({.build = CudaBuild::kEmulated}), "emulated on the CPU");
  EXPECT_EQ(describe_build({}), "none");
}

GpuFacts machine_with_gpus(size_t count) {
  GpuFacts facts = good_machine();
  facts.gpus.resize(count, facts.gpus.front());
  return facts;
}

TEST(GpuTurnComplaint, IsEmptyWithAGpuForEachProcess) {
  EXPECT_EQ(gpu_turn_complaint({}, machine_with_gpus(1)), "");
  EXPECT_EQ(gpu_turn_complaint({.index = 3, .processes = 4}, machine_with_gpus(4)), "");
  EXPECT_EQ(gpu_turn_complaint({.index = 1, .processes = 2}, machine_with_gpus(8)), "");
}

TEST(GpuTurnComplaint, NamesProcessesAndGpusToEachOfThem) {
  for (const int index : {0, 3}) {
    EXPECT_THAT(gpu_turn_complaint({.index = index, .processes = 4}, machine_with_gpus(2)),
                AllOf(HasSubstr("4 processes of this host share 2 visible GPUs;"),
                      HasSubstr("ppr:2:node")));
  }
  GpuFacts facts = machine_with_gpus(1);
  facts.visible_devices = "5";
  EXPECT_THAT(gpu_turn_complaint({.index = 0, .processes = 2}, facts),
              AllOf(HasSubstr("2 processes"), HasSubstr("1 visible GPU (CUDA_VISIBLE_DEVICES=5)"),
                    HasSubstr("--gpu-bind=none")));
}

TEST(GpuTurnComplaint, EmulatedComesOnlyWhereSeveralGpusAreClaimed) {
  GpuFacts facts = machine_with_gpus(1);
  facts.build = CudaBuild::kEmulated;
  EXPECT_EQ(gpu_turn_complaint({.index = 1, .processes = 2}, facts), "");
  facts = machine_with_gpus(2);
  facts.build = CudaBuild::kEmulated;
  EXPECT_NE(gpu_turn_complaint({.index = 1, .processes = 4}, facts), "");
}

}  // namespace
}  // namespace rela
