#include "runtime/tape.h"

#include <atomic>
#include <queue>
#include <utility>

#include "kernels/elementwise/add.h"
#include "runtime/error.h"
#include "runtime/kernel_table.h"

namespace rela {
namespace {

std::atomic<int64_t> next_id{0};
std::atomic<uint64_t> next_visit{0};
thread_local bool no_grad_here = false;
thread_local RecordObserver record_observer;

const KernelTable<AddIntoFn> kAddInto{"add_into", add_into_cpu, RELA_CUDA_KERNEL(add_into_cuda)};

}  // namespace

Var::Var(Tensor value) : node_(std::make_shared<Node>()) {
  node_->value = std::move(value);
  node_->id = next_id++;
}

const Tensor& Var::value() const {
  RELA_CHECK(node_ != nullptr, InternalError, "tape: an undefined value was used");
  return node_->value;
}

bool Var::requires_grad() const { return node_ != nullptr && node_->requires_grad; }

Var make_parameter(Tensor value) {
  RELA_CHECK(value.dtype() == Dtype::kF32, DtypeError, "parameter: ", describe(value),
             "; parameters are f32");
  Var v(std::move(value));
  v.node_->op = "parameter";
  v.node_->requires_grad = true;
  v.node_->is_parameter = true;
  return v;
}

Var record(const char* op, Tensor value, std::vector<Var> inputs, BackwardFn backward) {
  Var v(std::move(value));
  v.node_->op = op;
  if (record_observer) record_observer(op, v.value(), inputs);
  if (no_grad_here) return v;
  for (const Var& input : inputs) v.node_->requires_grad |= input.requires_grad();
  if (v.node_->requires_grad) {
    v.node_->inputs = std::move(inputs);
    v.node_->backward = std::move(backward);
  }
  return v;
}

RecordObserverGuard::RecordObserverGuard(RecordObserver observer) {
  record_observer = std::move(observer);
}
RecordObserverGuard::~RecordObserverGuard() { record_observer = nullptr; }

bool grad_disabled() { return no_grad_here; }
NoGradGuard::NoGradGuard() : before_(std::exchange(no_grad_here, true)) {}
NoGradGuard::~NoGradGuard() { no_grad_here = before_; }

Node::~Node() {
  // Nodes owned only by this one are moved out and destroyed one by one.
  std::vector<Var> doomed = std::move(inputs);
  backward = nullptr;
  while (!doomed.empty()) {
    const Var v = std::move(doomed.back());
    doomed.pop_back();
    if (v.node_.use_count() != 1) continue;
    v.node_->backward = nullptr;
    for (Var& input : v.node_->inputs) doomed.push_back(std::move(input));
    v.node_->inputs.clear();
  }
}

namespace {

/// Counts, for every node below `output`, the consumers whose backward will contribute to it.
void count_consumers(Node& output, uint64_t visit) {
  output.visit = visit;
  output.pending = 0;
  std::vector<Node*> stack{&output};
  while (!stack.empty()) {
    Node& node = *stack.back();
    stack.pop_back();
    for (const Var& input : node.inputs) {
      Node& in = input.node();
      RELA_CHECK(in.released_at <= node.id, InternalError, "backward: ", in.op,
                 " below the output was released by an earlier backward(); add the losses and run "
                 "it once");
      if (!in.requires_grad) continue;
      if (in.visit != visit) {
        in.visit = visit;
        in.pending = 0;
        stack.push_back(&in);
      }
      ++in.pending;
    }
  }
}

}  // namespace

void backward(const Var& output) {
  RELA_CHECK(output.value().numel() == 1, ShapeError, "backward: output is ",
             describe(output.value()),
             "; only a scalar has an implied gradient, pass one for anything else");
  RELA_CHECK(output.dtype() == Dtype::kF32, DtypeError, "backward: a scalar loss must be f32, got ",
             dtype_name(output.dtype()));
  backward(output, Tensor::full(output.shape(), 1.0f, output.device()));
}

void backward(const Var& output, const Tensor& output_gradient) {
  RELA_CHECK(
      output.requires_grad(), InternalError,
      "backward: nothing below the output requires a gradient, or its tape was already released");
  RELA_CHECK(!output.node().is_parameter, InternalError, "backward: the output is a parameter");
  RELA_CHECK(output_gradient.shape() == output.shape() && output_gradient.dtype() == output.dtype(),
             ShapeError, "backward: gradient ", describe(output_gradient), " for output ",
             describe(output.value()));
  RELA_CHECK(output_gradient.device() == output.device(), DeviceError, "backward: gradient ",
             describe(output_gradient), " for output ", describe(output.value()),
             "; both must be on one device");
  count_consumers(output.node(), ++next_visit);
  output.node().grad = output_gradient;
  const auto older = [](const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) {
    return a->id < b->id;
  };
  std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, decltype(older)>
      ready(older);
  ready.push(output.node_);
  while (!ready.empty()) {
    const std::shared_ptr<Node> node = ready.top();
    ready.pop();
    if (node->backward && node->grad.defined()) {
      GradSink to(*node);
      node->backward(node->grad, to);
    }
    node->backward = nullptr;  // frees what the op saved
    node->grad = Tensor();
    node->grad_shared = false;
    for (Var& input : std::exchange(node->inputs, {})) {
      if (!input.requires_grad() || --input.node().pending > 0) continue;
      if (!input.node().is_parameter) {
        ready.push(std::move(input.node_));
      } else if (input.node().grad_hook) {
        input.node().grad_hook(input.node().grad);
      }
    }
    node->requires_grad = false;
    node->released_at = next_id;
  }
}

Tensor& parameter_grad(const Var& parameter) {
  RELA_CHECK(parameter.node().grad.defined(), InternalError,
             "tape: this parameter has no gradient yet");
  return parameter.node().grad;
}

void set_grad_hook(const Var& parameter, std::function<void(Tensor&)> hook) {
  parameter.node().grad_hook = std::move(hook);
}

void zero_grad(const Var& parameter) { parameter.node().grad_written = false; }

const Tensor& compute_value(const Var& weight, Dtype dtype) {
  const Node& node = weight.node();
  const Tensor& rounded = node.compute_copy;
  return rounded.defined() && rounded.dtype() == dtype ? rounded : node.value;
}

bool GradSink::wants(size_t input) const { return node_.inputs[input].requires_grad(); }

Tensor& GradSink::prepare(size_t input, Write& mode) {
  Node& in = node_.inputs[input].node();
  if (in.is_parameter) {
    if (!in.grad.defined())
      in.grad = Tensor::empty(in.value.shape(), Dtype::kF32, in.value.device());
    mode = std::exchange(in.grad_written, true) ? Write::kAccumulate : Write::kOverwrite;
    return in.grad;
  }
  mode = in.grad.defined() ? Write::kAccumulate : Write::kOverwrite;
  if (in.grad.defined() && std::exchange(in.grad_shared, false)) in.grad = in.grad.clone();
  if (!in.grad.defined())
    in.grad = Tensor::empty(in.value.shape(), in.value.dtype(), in.value.device());
  return in.grad;
}

GradOut GradSink::out(size_t input) {
  GradOut to;
  fill(input, [&](Tensor& dx, Write mode) { to = {dx.raw(), mode}; });
  return to;
}

void GradSink::give(size_t input, const Tensor& dx) {
  if (!wants(input)) return;
  Node& in = node_.inputs[input].node();
  RELA_CHECK(dx.numel() == in.value.numel(), ShapeError, "tape: ", node_.op, " gives gradient ",
             describe(dx), " to an input of ", describe(in.value));
  RELA_CHECK(dx.dtype() == in.value.dtype(), DtypeError, "tape: ", node_.op, " gives gradient ",
             describe(dx), " to an input of ", describe(in.value), "; convert it");
  if (!in.is_parameter && !in.grad.defined()) {
    in.grad = dx.view(in.value.shape());
    in.grad_shared = true;
    return;
  }
  Write mode = Write::kOverwrite;
  Tensor& sum = prepare(input, mode);
  if (mode == Write::kOverwrite) {
    sum.copy_from(dx);
  } else {
    kAddInto.launch(sum.device(), sum.raw(), dx.raw(), sum.numel(), sum.dtype());
  }
}

}  // namespace rela
