#include "runtime/float32_matmul.h"

#include <atomic>

namespace rela {
namespace {

std::atomic<F32Math> chosen = F32Math::kExact;

}  // namespace

F32Math float32_matmul() { return chosen; }
void set_float32_matmul(F32Math math) { chosen = math; }

}  // namespace rela
