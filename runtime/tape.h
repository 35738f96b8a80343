#pragma once
// Reverse-mode differentiation. An op is a free function: it computes its value, and records a
// closure that turns the gradient of its output into gradients of its inputs. What the closure
// saves is in its capture. The traversal uses a queue, not recursion: depth is bounded by memory
// only.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/tensor.h"

namespace rela {

class GradSink;
struct Node;

/// dy has the shape and dtype of the op's value.
using BackwardFn = std::function<void(const Tensor& dy, GradSink& to)>;

/// A value in the computation. Copies refer to the same node.
class Var {
 public:
  Var() = default;
  /// A constant: no gradient flows into it.
  explicit Var(Tensor value);

  bool defined() const { return node_ != nullptr; }
  const Tensor& value() const;
  bool requires_grad() const;
  const Shape& shape() const { return value().shape(); }
  Dtype dtype() const { return value().dtype(); }
  Device device() const { return value().device(); }
  Node& node() const { return *node_; }

  /// The same value, detached from what computed it.
  Var detach() const { return Var(value()); }

 private:
  friend Var record(const char*, Tensor, std::vector<Var>, BackwardFn);
  friend Var make_parameter(Tensor);
  friend void backward(const Var&, const Tensor&);
  friend struct Node;
  explicit Var(std::shared_ptr<Node> node) : node_(std::move(node)) {}
  std::shared_ptr<Node> node_;
};

/// A trainable leaf: value f32, gradient f32 in a buffer that lives across steps.
Var make_parameter(Tensor value);

/// Registers an op's result. Keeps the closure unless gradients are disabled or no input requires
/// one.
Var record(const char* op, Tensor value, std::vector<Var> inputs, BackwardFn backward);

/// Runs the tape from a scalar (gradient 1) or with a given output gradient, and releases it: a
/// second backward() through the released part throws InternalError; add the losses instead. A
/// released value used in new ops is a constant there.
/// A parameter's gradient is overwritten by its first writer after zero_grad() and accumulated by
/// later ones, across calls too: that is gradient accumulation over micro-steps.
void backward(const Var& output);
void backward(const Var& output, const Tensor& output_gradient);

/// True while a NoGradGuard of this thread is alive.
bool grad_disabled();
class NoGradGuard {
 public:
  NoGradGuard();
  ~NoGradGuard();
  NoGradGuard(const NoGradGuard&) = delete;
  NoGradGuard& operator=(const NoGradGuard&) = delete;

 private:
  bool before_;
};

/// Called with every op result that this thread records: for finding the first non-finite value.
using RecordObserver =
    std::function<void(const char* op, const Tensor& value, const std::vector<Var>& inputs)>;
class RecordObserverGuard {
 public:
  explicit RecordObserverGuard(RecordObserver observer);
  ~RecordObserverGuard();
  RecordObserverGuard(const RecordObserverGuard&) = delete;
  RecordObserverGuard& operator=(const RecordObserverGuard&) = delete;
};

struct Node {
  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();  // iterative: a long chain must not overflow the stack

  const char* op = "constant";
  Tensor value;
  Tensor grad;          // of a parameter: kept across steps; of an op: lives during backward()
  Tensor compute_copy;  // of a parameter in mixed-precision training: what ops compute with
  bool requires_grad = false;
  bool grad_written = false;  // since zero_grad()
  bool grad_shared = false;   // `grad` shares another tensor's memory: copy before adding to it
  bool is_parameter = false;
  int32_t pending = 0;      // consumers whose backward has not run yet
  uint64_t visit = 0;       // the backward() call that counted `pending`
  int64_t id = 0;           // creation order, a topological order
  int64_t released_at = 0;  // the next free id when backward() released this node
  std::vector<Var> inputs;
  BackwardFn backward;
  /// Runs when every contribution to the gradient has arrived in this backward(): the hook for
  /// reducers.
  std::function<void(Tensor& grad)> grad_hook;
};

/// Access to a parameter.
Tensor& parameter_grad(
    const Var& parameter);  // throws InternalError if none was ever written or given
void set_grad_hook(const Var& parameter, std::function<void(Tensor&)> hook);
void zero_grad(const Var& parameter);
/// The value used by an op that computes in `dtype`: its compute copy if that has the dtype, else
/// the value.
const Tensor& compute_value(const Var& weight, Dtype dtype);

/// Hands each input's gradient buffer to the op that fills it.
class GradSink {
 public:
  explicit GradSink(Node& node) : node_(node) {}
  bool wants(size_t input) const;
  /// Calls fill(dx, mode). Parameters get f32, other inputs the dtype of their value. Does nothing
  /// for an input that needs no gradient.
  template <class Fill>
  void fill(size_t input, Fill&& fill_fn) {
    if (!wants(input)) return;
    Write mode = Write::kOverwrite;
    Tensor& dx = prepare(input, mode);
    fill_fn(dx, mode);
  }
  /// The same buffer for a kernel; null for an input that needs no gradient.
  GradOut out(size_t input);
  /// The gradient of `input` is exactly `dx` (often dy itself): shared without a copy if it is the
  /// first contribution, added otherwise. The op must not write to `dx` afterwards.
  void give(size_t input, const Tensor& dx);

 private:
  Tensor& prepare(size_t input, Write& mode);
  Node& node_;
};

}  // namespace rela
