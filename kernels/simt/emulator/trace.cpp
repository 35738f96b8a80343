#include "kernels/simt/emulator/trace.h"

#include <bitset>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <unordered_map>

#include "kernels/simt/emulator/memory.h"
#include "kernels/simt/emulator/sanitizers.h"
#include "kernels/simt/error.h"

namespace rela::simt {
namespace {

constexpr uintptr_t kPageBytes = 4096, kAccessBytes = 16;

/// The accesses of one kernel to one page.
struct Page {
  bool is_device = false;
  std::bitset<kPageBytes / kAccessBytes> read, written;
};

struct Kernel {
  std::unordered_map<uintptr_t, Page> pages;
  uintptr_t last = 0;  // page of the last access
  Page* last_page = nullptr;
  double flops = 0;
};

/// Kernels run one at a time; their lanes need no lock.
Kernel& running() {
  static Kernel& kernel = *new Kernel;
  return kernel;
}

Page& page_of(const void* p) {
  Kernel& kernel = running();
  const uintptr_t number = reinterpret_cast<uintptr_t>(p) / kPageBytes;
  if (kernel.last_page != nullptr && kernel.last == number) return *kernel.last_page;
  const auto [at, is_new] = kernel.pages.try_emplace(number);
  if (is_new) at->second.is_device = is_device_pointer(p);
  kernel.last = number;
  kernel.last_page = &at->second;
  return at->second;
}

size_t place_in_page(const void* p) {
  return reinterpret_cast<uintptr_t>(p) % kPageBytes / kAccessBytes;
}

const char* trace_path() { return std::getenv("RELA_SIMT_TRACE"); }

void write_line(std::string_view name, const Traffic& traffic) {
  static std::mutex& mutex = *new std::mutex;
  const std::lock_guard lock(mutex);
  static std::ofstream& file = *new std::ofstream(trace_path());
  char numbers[128];
  std::snprintf(numbers, sizeof(numbers), "\"read\": %.0f, \"written\": %.0f, \"flops\": %.0f}",
                traffic.read, traffic.written, traffic.flops);
  file << "{\"name\": \"" << name << "\", " << numbers << std::endl;
  if (!file) throw Error(std::string("RELA_SIMT_TRACE: cannot write ") + trace_path());
}

}  // namespace

bool is_traced() {
  static const bool traced = trace_path() != nullptr;
  return traced;
}

void trace_read16(const void* p) {
  const Quiet quiet;
  page_of(p).read.set(place_in_page(p));
}
void trace_write16(const void* p) {
  const Quiet quiet;
  page_of(p).written.set(place_in_page(p));
}
void trace_flops(double flops) { running().flops += flops; }

void trace_kernel(std::string_view name) {
  Kernel& kernel = running();
  Traffic traffic{.flops = kernel.flops};
  for (const auto& [number, page] : kernel.pages) {
    if (!page.is_device) continue;
    traffic.read += static_cast<double>(page.read.count() * kAccessBytes);
    traffic.written += static_cast<double>(page.written.count() * kAccessBytes);
  }
  kernel = {};
  write_line(name, traffic);
}

void trace_library(std::string_view name, const Traffic& traffic) {
  if (is_traced()) write_line(name, traffic);
}

}  // namespace rela::simt
