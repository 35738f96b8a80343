#include "kernels/libraries/tuning/measure.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "kernels/libraries/plan_cache.h"
#include "kernels/libraries/tuning/tuning.h"
#include "kernels/simt/error.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

struct MeasuringEvent {
  simt::Event event = simt::event_create();
  MeasuringEvent() = default;
  ~MeasuringEvent() {
    try {
      simt::event_destroy(event);
    } catch (const simt::Error&) {  // an earlier kernel failed: the next synchronisation reports it
    }
  }
  MeasuringEvent(const MeasuringEvent&) = delete;
  MeasuringEvent& operator=(const MeasuringEvent&) = delete;
};

constexpr size_t kRandomBytes = size_t{1} << 20;  // repeated in larger tensors

std::vector<uint8_t> random_values(Dtype dtype, size_t bytes) {
  std::vector<uint8_t> values(bytes);
  with_storage_type(dtype, [&]<class T>(T*) {
    std::minstd_rand random;
    std::uniform_real_distribution<float> distribution(-1.0f, 1.0f);
    for (size_t at = 0; at < bytes; at += sizeof(T)) {
      const T value = store_as<T>(distribution(random));
      std::memcpy(values.data() + at, &value, sizeof(T));
    }
  });
  return values;
}

}  // namespace

MeasuringMemory::~MeasuringMemory() {
  try {
    for (void* block : blocks_) simt::device_free(block);
  } catch (const simt::Error&) {  // as above
  }
}

void* MeasuringMemory::take(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* block = simt::device_malloc(bytes);
  if (block == nullptr) {
    suffices_ = false;
    return nullptr;
  }
  blocks_.push_back(block);
  simt::memset_async(block, 0, bytes, Stream{});
  return block;
}

void* MeasuringMemory::take(int64_t elements, Dtype dtype) {
  const size_t bytes = static_cast<size_t>(elements) * dtype_bytes(dtype);
  void* block = take(bytes);
  if (block == nullptr || dtype == Dtype::kI64) return block;
  const std::vector<uint8_t> values = random_values(dtype, std::min(bytes, kRandomBytes));
  simt::memcpy_async(block, values.data(), values.size(), simt::CopyKind::kHostToDevice, Stream{});
  simt::stream_synchronize(Stream{});
  auto* to = static_cast<uint8_t*>(block);
  for (size_t at = values.size(); at < bytes; at *= 2) {
    simt::memcpy_async(to + at, to, std::min(at, bytes - at), simt::CopyKind::kDeviceToDevice,
                       Stream{});
  }
  return block;
}

float fastest_milliseconds(const std::function<void()>& work) {
  constexpr int kRuns = 4;
  const MeasuringEvent start;
  const MeasuringEvent end;
  float least = std::numeric_limits<float>::infinity();
  for (int run = 0; run < kRuns; ++run) {
    simt::event_record(start.event, Stream{});
    work();
    simt::event_record(end.event, Stream{});
    simt::event_synchronize(end.event);
    if (run > 0) least = std::min(least, simt::event_elapsed_ms(start.event, end.event));
  }
  return least;
}

ChoiceFile& choice_file(int device, const LibraryVersion& library) {
  using Key = std::pair<int, std::string>;
  using Owned = std::unique_ptr<ChoiceFile>;
  static PlanCache<Key, Owned> files;
  return *files.get({device, library.name + " " + library.version}, [](const Key& key) {
    const ChoiceOwner owner{simt::device_facts(key.first).name, key.second};
    return std::make_unique<Owned>(std::make_unique<ChoiceFile>(tuning().folder, owner));
  });
}

}  // namespace rela
