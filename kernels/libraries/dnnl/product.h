#pragma once

#include <memory>

#include "kernels/types.h"

namespace rela {

/// c [m, n] f32 = a [m, k] b [k, n] (+ bias [n] f32), a and b of one dtype, f32 or bf16.
struct DnnlProductSpec {
  enum class Layout : uint8_t { kRows, kTransposed };  // kTransposed: columns lie together
  enum class Operand : uint8_t { kPacked, kAsGiven };

  int64_t m = 0, k = 0, n = 0;
  Dtype dtype = Dtype::kF32;
  Layout a = Layout::kRows;
  Layout b = Layout::kRows;
  Dtype b_given = Dtype::kF32;  // the caller's dtype of b
  Operand b_use = Operand::kAsGiven;
  bool bias = false;
  Write mode = Write::kOverwrite;  // of c
};

/// A product of one tile, on the calling thread alone, for kernels that hand out tiles to threads
/// themselves. Its right operand may be packed once and then serve many tiles. Immutable after
/// construction.
class DnnlProduct {
 public:
  explicit DnnlProduct(const DnnlProductSpec& spec);
  ~DnnlProduct();
  DnnlProduct(const DnnlProduct&) = delete;
  DnnlProduct& operator=(const DnnlProduct&) = delete;

  size_t packed_bytes() const;
  void pack(const void* b, void* packed) const;

  size_t scratch_bytes() const;
  /// `b` as pack() left it where the spec packs it. Bias is null where the spec has none.
  struct Operands {
    const void* a = nullptr;
    const void* b = nullptr;
    const float* bias = nullptr;
    float* c = nullptr;
  };
  void run(const Operands& operands, void* scratch) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace rela
