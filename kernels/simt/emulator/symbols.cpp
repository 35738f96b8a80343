#include "kernels/simt/emulator/symbols.h"

#include <dlfcn.h>
#include <elf.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <vector>

#include "kernels/simt/kernel_name.h"

namespace rela::simt {
namespace {

constexpr const char* kUnknown = "a kernel";

using Bytes = std::vector<char>;

Bytes read_part(std::ifstream& file, uint64_t offset, uint64_t size) {
  Bytes bytes(size);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!file) bytes.clear();
  return bytes;
}
template <class T>
std::vector<T> read_table(std::ifstream& file, uint64_t offset, uint64_t count) {
  const Bytes bytes = read_part(file, offset, count * sizeof(T));
  std::vector<T> table(bytes.size() / sizeof(T));
  if (!table.empty()) std::memcpy(table.data(), bytes.data(), table.size() * sizeof(T));
  return table;
}

/// The function at an address, in a program that was loaded at `base`.
std::string symbol_at(std::ifstream& file, uintptr_t address, uintptr_t base) {
  const auto header = read_table<Elf64_Ehdr>(file, 0, 1);
  if (header.empty() || std::memcmp(header[0].e_ident, ELFMAG, SELFMAG) != 0) return kUnknown;
  const uint64_t value = header[0].e_type == ET_DYN ? address - base : address;
  const auto sections = read_table<Elf64_Shdr>(file, header[0].e_shoff, header[0].e_shnum);
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    const Elf64_Shdr& names = sections[section.sh_link];
    const Bytes text = read_part(file, names.sh_offset, names.sh_size);
    const uint64_t count = section.sh_size / sizeof(Elf64_Sym);
    for (const auto& symbol : read_table<Elf64_Sym>(file, section.sh_offset, count)) {
      const bool found = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_value == value;
      if (found && symbol.st_name < text.size()) {
        return readable_kernel_name(text.data() + symbol.st_name);
      }
    }
  }
  return kUnknown;
}

}  // namespace

std::string kernel_name(const void* function) {
  Dl_info place{};
  std::ifstream file("/proc/self/exe", std::ios::binary);
  if (dladdr(function, &place) == 0 || !file) return kUnknown;
  return symbol_at(file, reinterpret_cast<uintptr_t>(function),
                   reinterpret_cast<uintptr_t>(place.dli_fbase));
}

}  // namespace rela::simt
