#include <gmock/gmock.h>

#include <fstream>
#include <sstream>
#include <string>

#include "rela/config/experiment_config.h"

namespace rela {
namespace {

using ::testing::HasSubstr;

TEST(Readme, ConfigTableIsTheOneThatTheConfigPrints) {
  std::ostringstream readme;
  readme << std::ifstream(RELA_SOURCE_DIR "/rela/README.md").rdbuf();
  EXPECT_THAT(readme.str(), HasSubstr("<!-- config keys: begin -->\n" + config_markdown() +
                                      "<!-- config keys: end -->\n"))
      << "put the table of config_markdown() between the two marks of rela/README.md";
}

}  // namespace
}  // namespace rela
