// Pooling: bound by memory, so the counter is bytes read and written.

#include <benchmark/benchmark.h>

#include <functional>
#include <string>

#include "kernels/pool/avg_pool2d.h"
#include "kernels/pool/global_avg_pool.h"
#include "kernels/pool/max_pool2d.h"
#include "roof.h"
#include "runtime/tensor.h"

namespace rela {
namespace {

struct PoolTensors {
  PoolTensors(const Pool2dDims& d, Dtype dtype)
      : x(Tensor::zeros({d.n, d.h, d.w, d.c}, dtype)),
        y(Tensor::zeros({d.n, d.p(), d.q(), d.c}, dtype)),
        argmax(Tensor::zeros({d.n, d.p(), d.q(), d.c}, Dtype::kU8)),
        pooled(Tensor::zeros({d.n, d.c}, dtype)) {}
  Tensor x, y, argmax, pooled;
};

using Call = std::function<void(const Pool2dDims&, PoolTensors&)>;

GlobalPoolDims global_dims(const Pool2dDims& d) {
  return {.n = d.n, .pixels = d.h * d.w, .c = d.c};
}

struct PoolBench {
  const char* name;
  Call call;
  std::function<size_t(const PoolTensors&)> bytes;
};

const PoolBench kBenches[] = {
    {"max_pool2d_forward",
     [](const Pool2dDims& d, PoolTensors& t) {
       max_pool2d_forward_cpu(d, t.x.raw(), t.y.raw(), t.argmax.data<uint8_t>(), t.x.dtype(), {});
     },
     [](const PoolTensors& t) { return t.x.bytes() + t.y.bytes() + t.argmax.bytes(); }},
    {"max_pool2d_backward",
     [](const Pool2dDims& d, PoolTensors& t) {
       max_pool2d_backward_cpu(d, t.y.raw(), t.argmax.data<uint8_t>(), {.data = t.x.raw()},
                               t.x.dtype(), {});
     },
     [](const PoolTensors& t) { return t.x.bytes() + t.y.bytes() + t.argmax.bytes(); }},
    {"avg_pool2d_forward",
     [](const Pool2dDims& d, PoolTensors& t) {
       avg_pool2d_forward_cpu(d, t.x.raw(), t.y.raw(), t.x.dtype(), {});
     },
     [](const PoolTensors& t) { return t.x.bytes() + t.y.bytes(); }},
    {"avg_pool2d_backward",
     [](const Pool2dDims& d, PoolTensors& t) {
       avg_pool2d_backward_cpu(d, t.y.raw(), {.data = t.x.raw()}, t.x.dtype(), {});
     },
     [](const PoolTensors& t) { return t.x.bytes() + t.y.bytes(); }},
    {"global_avg_pool_forward",
     [](const Pool2dDims& d, PoolTensors& t) {
       global_avg_pool_forward_cpu(global_dims(d), t.x.raw(), t.pooled.raw(), t.x.dtype(), {});
     },
     [](const PoolTensors& t) { return t.x.bytes() + t.pooled.bytes(); }},
    {"global_avg_pool_backward",
     [](const Pool2dDims& d, PoolTensors& t) {
       global_avg_pool_backward_cpu(global_dims(d), t.pooled.raw(), {.data = t.x.raw()},
                                    t.x.dtype(), {});
     },
     [](const PoolTensors& t) { return t.x.bytes() + t.pooled.bytes(); }},
};

const bool kRegistered = [] {
  const Pool2dDims d{.n = 16, .h = 56, .w = 56, .c = 64, .kernel = 3, .stride = 2, .padding = 1};
  for (const PoolBench& bench : kBenches) {
    for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
      const std::string name = std::string(bench.name) + "/cpu/n:" + std::to_string(d.n) +
                               "/c:" + std::to_string(d.c) + "/hw:" + std::to_string(d.h) +
                               "/dtype:" + dtype_name(dtype);
      benchmark::RegisterBenchmark(name.c_str(),
                                   [&bench, d, dtype](benchmark::State& state) {
                                     PoolTensors tensors(d, dtype);
                                     const RoofShare share;
                                     for (auto _ : state) bench.call(d, tensors);
                                     share.of_copy(state,
                                                   static_cast<double>(bench.bytes(tensors)));
                                   })
          ->UseRealTime()
          ->MinTime(0.1);
    }
  }
  return true;
}();

}  // namespace
}  // namespace rela
