#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "kernels/augment/blur.h"
#include "rela/config/experiment_config.h"
#include "runtime/error.h"

namespace rela {
namespace {

using ::testing::HasSubstr;

std::string readme_text() {
  std::ostringstream readme;
  readme << std::ifstream(RELA_SOURCE_DIR "/rela/README.md").rdbuf();
  return readme.str();
}

TEST(Readme, ConfigTableIsTheOneThatTheConfigPrints) {
  EXPECT_THAT(readme_text(), HasSubstr("<!-- config keys: begin -->\n" + config_markdown() +
                                       "<!-- config keys: end -->\n"))
      << "put the table of config_markdown() between the two marks of rela/README.md";
}

std::string blur_row(const std::string& name, BlurKernel kernel, int64_t side) {
  std::ostringstream row;
  row << "| " << name << " | ";
  for (const double sigma : {0.5, 1.0, 1.5, 2.0}) {
    const int64_t taps = blur_kernel_size(kernel, side, static_cast<float>(sigma));
    std::array<char, 16> number{};
    std::snprintf(number.data(), number.size(), "%.2f", effective_blur_sigma(taps, sigma));
    row << number.data() << " | ";
  }
  std::string text = row.str();
  text.back() = '\n';
  return text;
}

TEST(Readme, TheTableOfBlursIsTheOneThatTheKernelsGive) {
  std::string table = "| kernel | sigma 0.5 | 1.0 | 1.5 | 2.0 |\n|---|---:|---:|---:|---:|\n";
  for (const int64_t side : {32, 64, 96, 128, 224}) {
    const int64_t taps = blur_kernel_size(BlurKernel::kTenth, side, 1);
    table += blur_row(cat("`tenth`, ", side, " pixels: ", taps, " taps"), BlurKernel::kTenth, side);
  }
  table += blur_row("`full`, any size", BlurKernel::kFull, 32);
  EXPECT_THAT(readme_text(), HasSubstr("<!-- blur: begin -->\n" + table + "<!-- blur: end -->\n"));
}

}  // namespace
}  // namespace rela
