#include "runtime/comm/agreement.h"

#include "runtime/comm/world.h"
#include "runtime/error.h"

namespace rela {

void check_agreement(Communicator& ranks, const std::vector<SharedFact>& facts) {
  const std::vector<std::string> hosts = ranks.gather(world().host);
  std::string text;
  for (const SharedFact& fact : facts) {
    const std::vector<std::string> values = ranks.gather(fact.value);
    std::string differing;
    for (size_t i = 1; i < values.size(); ++i) {
      if (values[i] != values[0])
        differing += cat(differing.empty() ? "" : ", ", "rank ", i, " on ", hosts[i]);
    }
    if (!differing.empty())
      text += cat(text.empty() ? "" : "\n", "launch: ", differing, ": another ", fact.name,
                  " than rank 0 on ", hosts[0], "; all ranks need the same");
  }
  RELA_CHECK(text.empty(), DistributedError, text);
}

}  // namespace rela
