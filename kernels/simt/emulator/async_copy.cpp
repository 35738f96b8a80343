#include "kernels/simt/emulator/async_copy.h"

#include <cstring>
#include <utility>

#include "kernels/simt/emulator/options.h"
#include "kernels/simt/emulator/sanitizers.h"
#include "kernels/simt/emulator/trace.h"

namespace rela::simt {

void start_async_copy(void* shared, const void* global, const Site& site) {
  const Quiet quiet;
  const auto bits = reinterpret_cast<uintptr_t>(shared) | reinterpret_cast<uintptr_t>(global);
  if ((bits & 15) != 0) fail("cp_async16 of a misaligned address at " + to_string(site));
  auto& groups = self->copies;
  if (groups.empty()) groups.emplace_back();
  groups.back().push_back({static_cast<char*>(shared), static_cast<const char*>(global)});
  std::memset(shared, options().poison, 16);
  if (is_traced()) trace_read16(global);
}

void commit_async_copies() {
  const Quiet quiet;
  auto& groups = self->copies;
  if (groups.empty()) groups.emplace_back();
  groups.emplace_back();
}

void wait_for_async_copies(size_t groups_left, const Site& site) {
  std::vector<std::vector<PendingCopy>> due;
  {
    const Quiet quiet;
    if (is_dropped(site)) return;
    auto& groups = self->copies;
    const size_t open = groups.empty() ? 0 : 1;
    while (groups.size() > groups_left + open) {
      due.push_back(std::move(groups.front()));
      groups.erase(groups.begin());
    }
    if (groups.size() == 1 && groups.front().empty()) groups.clear();
  }
  for (const auto& group : due) {  // the copy itself is the kernel's access
    for (const PendingCopy& copy : group) std::memcpy(copy.to, copy.from, 16);
  }
}

}  // namespace rela::simt
