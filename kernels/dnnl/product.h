#pragma once

#include <memory>

#include "kernels/dnnl/engine.h"

namespace rela {

/// While alive, oneDNN works on the calling thread alone: for kernels that hand out tiles to
/// threads themselves. A primitive must also be made so. Take dnnl_stream() first: it sets threads.
class DnnlOneThread {
 public:
  DnnlOneThread();
  ~DnnlOneThread();
  DnnlOneThread(const DnnlOneThread&) = delete;
  DnnlOneThread& operator=(const DnnlOneThread&) = delete;

 private:
  int before_;
};

/// c [m, n] f32 = a [m, k] b [k, n] (+ bias [n] f32), a and b of one dtype, f32 or bf16.
struct DnnlProductSpec {
  int64_t m = 0, k = 0, n = 0;
  Dtype dtype = Dtype::kF32;
  dnnl::memory::format_tag a = dnnl::memory::format_tag::ab;  // ba: stored transposed
  dnnl::memory::format_tag b = dnnl::memory::format_tag::ab;
  Dtype b_given = Dtype::kF32;  // the caller's dtype of b
  enum class Operand : uint8_t { kPacked, kAsGiven } b_use = Operand::kAsGiven;
  bool bias = false;
  Write mode = Write::kOverwrite;  // of c
};

/// A product of one tile, on one thread, whose right operand may be packed once and then serve many
/// tiles. Immutable after construction.
class DnnlProduct {
 public:
  explicit DnnlProduct(const DnnlProductSpec& spec);

  size_t packed_bytes() const { return b_packed_.get_size(); }
  void pack(const void* b, void* packed) const;

  size_t scratch_bytes() const { return scratchpad_.get_size(); }
  /// `b` as pack() left it where the spec packs it. Bias is null where the spec has none.
  struct Operands {
    const void* a = nullptr;
    const void* b = nullptr;
    const float* bias = nullptr;
    float* c = nullptr;
  };
  void run(const Operands& operands, void* scratch) const;

 private:
  dnnl::memory::desc a_, b_given_, b_packed_, bias_, c_, scratchpad_;
  dnnl::matmul primitive_;
  dnnl::reorder pack_;
};

}  // namespace rela
