#include "runtime/recorded_work.h"

#include <utility>

namespace rela {
namespace {

thread_local std::vector<std::function<void()>>* noted = nullptr;

}  // namespace

void on_each_run(std::function<void()> effect) {
  if (noted == nullptr) {
    effect();
  } else {
    noted->push_back(std::move(effect));
  }
}

RecordedWork::RecordedWork() : memory_(Allocator::of(Device::kCuda)) {}

bool RecordedWork::warm_up(const std::function<void()>& work) {
  const Allocator& allocator = Allocator::of(Device::kCuda);
  const uint64_t before = allocator.stats().system_allocations;
  const MemoryReserve::Guard guard(memory_, MemoryReserve::Growth::kAllowed);
  work();
  return allocator.stats().system_allocations == before;
}

void RecordedWork::record(const std::function<void()>& work) {
  std::vector<std::function<void()>> effects;
  CudaGraph::begin();
  try {
    const MemoryReserve::Guard guard(memory_, MemoryReserve::Growth::kRefused);
    noted = &effects;
    work();
    noted = nullptr;
  } catch (...) {
    noted = nullptr;
    CudaGraph::abandon();
    throw;
  }
  graph_ = CudaGraph::end();
  effects_ = std::move(effects);
}

void RecordedWork::replay() {
  graph_.launch();
  for (const std::function<void()>& effect : effects_) effect();
}

}  // namespace rela
