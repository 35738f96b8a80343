#include "kernels/simt/kernel_name.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <string_view>

namespace rela::simt {
namespace {

constexpr std::string_view kAnonymous = "(anonymous namespace)::";

std::string demangled(const char* symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> plain(
      abi::__cxa_demangle(symbol, nullptr, nullptr, &status), std::free);
  return status == 0 ? plain.get() : symbol;
}

}  // namespace

std::string readable_kernel_name(const char* symbol) {
  std::string text = demangled(symbol);
  for (size_t at = 0; (at = text.find(kAnonymous)) != std::string::npos;)
    text.erase(at, kAnonymous.size());
  // "void rela::scale_kernel<a::B>(float*)": spaces and colons within <> belong to the arguments.
  size_t begin = 0;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '<') ++depth;
    if (text[i] == '>') --depth;
    if (depth > 0) continue;
    if (text[i] == '(') return text.substr(begin, i - begin);
    if (text[i] == ' ' || text[i] == ':') begin = i + 1;
  }
  return text;
}

}  // namespace rela::simt
