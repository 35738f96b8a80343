#include "kernels/libraries/dnnl/primitive_plan.h"

#include <omp.h>

#include <utility>

#include "kernels/cpu/parallel.h"
#include "kernels/elementwise/add.h"
#include "kernels/libraries/dnnl/primitive_descs.h"

namespace rela {
namespace {

constexpr size_t kAlignment = 64;  // what oneDNN expects of user memory

constexpr size_t round_up(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

void* at(const Workspace& workspace, size_t offset) {
  return static_cast<char*>(workspace.data) + offset;
}

/// While it lives, oneDNN makes and runs primitives for one thread if that is wanted. Waking a
/// second thread takes longer than bringing a few weights into another order (bench_step).
class SmallWorkAlone {
 public:
  explicit SmallWorkAlone(const dnnl::memory::desc& work) {
    if (element_count(work) <= 4 * kParallelGrain) omp_set_num_threads(1);
  }
  ~SmallWorkAlone() { omp_set_num_threads(cpu_threads()); }
  SmallWorkAlone(const SmallWorkAlone&) = delete;
  SmallWorkAlone& operator=(const SmallWorkAlone&) = delete;
};

}  // namespace

DnnlPrimitivePlan::DnnlPrimitivePlan(dnnl::primitive primitive,
                                     const dnnl::memory::desc& scratchpad,
                                     const std::vector<DnnlArgument>& inputs,
                                     const DnnlArgument& output)
    : primitive_(std::move(primitive)), scratchpad_(scratchpad) {
  for (const DnnlArgument& input : inputs) {
    inputs_.push_back(make_slot(input, input.given, input.wanted));
  }
  output_ = make_slot(output, output.wanted, output.given);
  scratchpad_offset_ = reserve(scratchpad.get_size());
  accumulate_bytes_ = round_up(output.given.get_size());
}

size_t DnnlPrimitivePlan::reserve(size_t bytes) {
  return std::exchange(bytes_, bytes_ + round_up(bytes));
}

DnnlPrimitivePlan::Slot DnnlPrimitivePlan::make_slot(const DnnlArgument& argument,
                                                     const dnnl::memory::desc& from,
                                                     const dnnl::memory::desc& to) {
  Slot slot{.argument = argument, .reorder = {}, .offset = 0};
  if (argument.given == argument.wanted) return slot;
  const SmallWorkAlone alone(from);
  slot.reorder = dnnl::reorder(
      dnnl::reorder::primitive_desc(dnnl_engine(), from, dnnl_engine(), to, user_scratchpad()));
  slot.offset = reserve(argument.wanted.get_size());
  return slot;
}

void DnnlPrimitivePlan::Slot::bring(dnnl::stream& stream, dnnl::memory from,
                                    dnnl::memory to) const {
  const SmallWorkAlone alone(from.get_desc());
  reorder.execute(stream, from, to);
}

size_t DnnlPrimitivePlan::workspace_bytes(Write mode) const {
  return bytes_ + (mode == Write::kAccumulate ? accumulate_bytes_ : 0);
}

void DnnlPrimitivePlan::run(std::span<const void* const> inputs, GradOut output,
                            Workspace workspace) const {
  dnnl::stream& stream = dnnl_stream();
  std::unordered_map<int, dnnl::memory> arguments;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Slot& slot = inputs_[i];
    dnnl::memory input = dnnl_memory(slot.argument.given, inputs[i]);
    if (slot.needs_reorder()) {
      dnnl::memory wanted = dnnl_memory(slot.argument.wanted, at(workspace, slot.offset));
      slot.bring(stream, input, wanted);
      input = wanted;
    }
    arguments.emplace(slot.argument.id, input);
  }
  const bool accumulate = output.mode == Write::kAccumulate;
  void* result = accumulate ? at(workspace, bytes_) : output.data;
  dnnl::memory given = dnnl_memory(output_.argument.given, result);
  dnnl::memory wanted = output_.needs_reorder()
                            ? dnnl_memory(output_.argument.wanted, at(workspace, output_.offset))
                            : given;
  arguments.emplace(output_.argument.id, wanted);
  arguments.emplace(DNNL_ARG_SCRATCHPAD,
                    dnnl_memory(scratchpad_, at(workspace, scratchpad_offset_)));
  primitive_.execute(stream, arguments);
  if (output_.needs_reorder()) output_.bring(stream, wanted, given);
  if (accumulate) {
    const dnnl::memory::desc& desc = output_.argument.given;
    add_into_cpu(output.data, result, element_count(desc),
                 is_bf16(desc) ? Dtype::kBf16 : Dtype::kF32, Stream{});
  }
}

}  // namespace rela
