#include "kernels/dnnl/plan.h"

#include <omp.h>

#include <utility>

#include "kernels/elementwise/add.h"
#include "kernels/parallel.h"

namespace rela {
namespace {

constexpr size_t kAlignment = 64;  // what oneDNN expects of user memory

constexpr size_t round_up(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

void* at(const Workspace& workspace, size_t offset) {
  return static_cast<char*>(workspace.data) + offset;
}

// oneDNN takes pointers to mutable memory for inputs too; it does not write to them.
dnnl::memory memory_on(const dnnl::memory::desc& desc, const void* data) {
  return {desc, dnnl_engine(), const_cast<void*>(data)};
}

int64_t numel(const dnnl::memory::desc& desc) {
  int64_t n = 1;
  for (const int64_t d : desc.dims()) n *= d;
  return n;
}

/// While it lives, oneDNN makes and runs primitives for one thread if that is wanted. Waking a
/// second thread takes longer than bringing a few weights into another order (bench_step).
class SmallWorkAlone {
 public:
  explicit SmallWorkAlone(const dnnl::memory::desc& work) {
    if (numel(work) <= 4 * kParallelGrain) omp_set_num_threads(1);
  }
  ~SmallWorkAlone() { omp_set_num_threads(cpu_threads()); }
  SmallWorkAlone(const SmallWorkAlone&) = delete;
  SmallWorkAlone& operator=(const SmallWorkAlone&) = delete;
};

}  // namespace

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

DnnlPlan::DnnlPlan(dnnl::primitive primitive, const dnnl::memory::desc& scratchpad,
                   const std::vector<DnnlArgument>& inputs, const DnnlArgument& output)
    : primitive_(std::move(primitive)), scratchpad_(scratchpad) {
  for (const DnnlArgument& input : inputs) {
    inputs_.push_back(make_slot(input, input.given, input.wanted));
  }
  output_ = make_slot(output, output.wanted, output.given);
  scratchpad_offset_ = reserve(scratchpad.get_size());
  accumulate_bytes_ = round_up(output.given.get_size());
}

size_t DnnlPlan::reserve(size_t bytes) { return std::exchange(bytes_, bytes_ + round_up(bytes)); }

DnnlPlan::Slot DnnlPlan::make_slot(const DnnlArgument& argument, const dnnl::memory::desc& from,
                                   const dnnl::memory::desc& to) {
  Slot slot{.argument = argument, .reorder = {}, .offset = 0};
  if (argument.given == argument.wanted) return slot;
  const SmallWorkAlone alone(from);
  slot.reorder = dnnl::reorder(
      dnnl::reorder::primitive_desc(dnnl_engine(), from, dnnl_engine(), to, user_scratchpad()));
  slot.offset = reserve(argument.wanted.get_size());
  return slot;
}

void DnnlPlan::Slot::bring(dnnl::stream& stream, dnnl::memory from, dnnl::memory to) const {
  const SmallWorkAlone alone(from.get_desc());
  reorder.execute(stream, from, to);
}

size_t DnnlPlan::workspace_bytes(Write mode) const {
  return bytes_ + (mode == Write::kAccumulate ? accumulate_bytes_ : 0);
}

void DnnlPlan::run(std::span<const void* const> inputs, GradOut output, Workspace workspace) const {
  dnnl::stream& stream = dnnl_stream();
  std::unordered_map<int, dnnl::memory> arguments;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Slot& slot = inputs_[i];
    dnnl::memory input = memory_on(slot.argument.given, inputs[i]);
    if (slot.needs_reorder()) {
      dnnl::memory wanted = memory_on(slot.argument.wanted, at(workspace, slot.offset));
      slot.bring(stream, input, wanted);
      input = wanted;
    }
    arguments.emplace(slot.argument.id, input);
  }
  const bool accumulate = output.mode == Write::kAccumulate;
  void* result = accumulate ? at(workspace, bytes_) : output.data;
  dnnl::memory given = memory_on(output_.argument.given, result);
  dnnl::memory wanted = output_.needs_reorder()
                            ? memory_on(output_.argument.wanted, at(workspace, output_.offset))
                            : given;
  arguments.emplace(output_.argument.id, wanted);
  arguments.emplace(DNNL_ARG_SCRATCHPAD, memory_on(scratchpad_, at(workspace, scratchpad_offset_)));
  primitive_.execute(stream, arguments);
  if (output_.needs_reorder()) output_.bring(stream, wanted, given);
  if (accumulate) {
    const bool is_bf16 = output_.argument.given.data_type() == dnnl::memory::data_type::bf16;
    add_into_cpu(output.data, result, numel(output_.argument.given),
                 is_bf16 ? Dtype::kBf16 : Dtype::kF32, Stream{});
  }
}

}  // namespace rela
