// Threads take tiles of rows. A tile is projected by oneDNN into memory of the thread, measured row
// by row, turned into the gradient of the projection where it lies, and multiplied on.

#include "kernels/transport/transport_loss.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/features.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/libraries/dnnl/product.h"
#include "kernels/libraries/plan_cache.h"
#include "kernels/transport/transport_row.h"

namespace rela {
namespace {

using Layout = DnnlProductSpec::Layout;
using Operand = DnnlProductSpec::Operand;

constexpr int64_t kBlockRows = 128;
constexpr int64_t kGradientParts = 8;  // sums of dw and db that are added up at the end
constexpr size_t kAlignment = 64;

constexpr size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) & ~(kAlignment - 1); }
constexpr size_t floats(int64_t count) {
  return aligned(static_cast<size_t>(count) * sizeof(float));
}

Dtype compute_dtype(const TransportProblem& p) {
  return p.dtype == Dtype::kBf16 && cpu_has_bf16() ? Dtype::kBf16 : Dtype::kF32;
}

int64_t tile_rows(const TransportDims& d) { return std::min(d.rows, kBlockRows); }
int64_t tile_count(const TransportDims& d) { return (d.rows + kBlockRows - 1) / kBlockRows; }

struct PlanKey {
  int64_t rows = 0, width = 0, outputs = 0;
  Dtype compute = Dtype::kF32, weight_dtype = Dtype::kF32;
  Bias bias = Bias::kAbsent;
  auto operator<=>(const PlanKey&) const = default;
};

/// The three products of a tile.
struct Plan {
  explicit Plan(const PlanKey& k)
      : project({.m = k.rows,
                 .k = k.width,
                 .n = k.outputs,
                 .dtype = k.compute,
                 .b = Layout::kTransposed,
                 .b_given = k.weight_dtype,
                 .b_use = Operand::kPacked,
                 .bias = k.bias == Bias::kPresent}),
        back_to_h({.m = k.rows,
                   .k = k.outputs,
                   .n = k.width,
                   .dtype = k.compute,
                   .b_given = k.weight_dtype,
                   .b_use = Operand::kPacked}),
        back_to_w({.m = k.outputs,
                   .k = k.rows,
                   .n = k.width,
                   .dtype = k.compute,
                   .a = Layout::kTransposed,
                   .b_given = k.compute,
                   .mode = Write::kAccumulate}) {}

  size_t scratch_bytes() const {
    return std::max(
        {project.scratch_bytes(), back_to_h.scratch_bytes(), back_to_w.scratch_bytes()});
  }

  DnnlProduct project;    // p = h w^T + b
  DnnlProduct back_to_h;  // dh = dp w
  DnnlProduct back_to_w;  // dw += dp^T h
};

const Plan& plan_for(const TransportProblem& p) {
  static PlanCache<PlanKey, Plan> cache;
  const PlanKey key{tile_rows(p.dims), p.dims.width,   p.dims.outputs,
                    compute_dtype(p),  p.weight_dtype, p.bias};
  return cache.get(key, [](const PlanKey& k) { return std::make_unique<Plan>(k); });
}

/// Hands out pieces of the workspace; without memory it only counts.
class Carver {
 public:
  explicit Carver(void* memory) : memory_(static_cast<char*>(memory)) {}
  template <class T>
  T* take(size_t bytes) {
    char* piece = memory_ == nullptr ? nullptr : memory_ + used_;
    used_ += aligned(bytes);
    return reinterpret_cast<T*>(piece);
  }
  size_t used() const { return used_; }

 private:
  char* memory_;
  size_t used_ = 0;
};

/// What one thread works in.
struct Bench {
  float* p = nullptr;   // [R, K] projected rows, then their gradient
  void* dp = nullptr;   // [R, K] of the compute type: p itself when that is f32
  void* h = nullptr;    // [R, D] of the compute type: rows that need converting or filling up
  float* dh = nullptr;  // [R, D] for a tile that is not full
  void* scratch = nullptr;
};

struct Parts {
  int64_t count = 0;    // pieces of the rows, by the problem's size alone
  int64_t workers = 0;  // threads that share them
};
Parts parts_of(const TransportDims& d, const TransportOutputs& out) {
  const int64_t tiles = tile_count(d);
  const bool sums = out.dw != nullptr || out.db != nullptr;
  const int64_t count = sums ? std::min(tiles, kGradientParts) : tiles;
  return {count, std::min<int64_t>(count, cpu_threads())};
}

/// The whole call.
class TransportRun {
 public:
  TransportRun(const TransportProblem& problem, const TransportInputs& in,
               const TransportOutputs& out)
      : problem_(problem),
        d_(problem.dims),
        in_(in),
        out_(out),
        plan_(plan_for(problem)),
        compute_(compute_dtype(problem)),
        tile_rows_(tile_rows(problem.dims)),
        parts_(parts_of(problem.dims, out)) {}

  /// Returns the bytes it takes.
  size_t carve(void* memory) {
    Carver carver(memory);
    losses_ = carver.take<double>(static_cast<size_t>(d_.rows) * sizeof(double));
    w_forward_ = carver.take<void>(plan_.project.packed_bytes());
    if (out_.dh != nullptr) w_back_ = carver.take<void>(plan_.back_to_h.packed_bytes());
    if (out_.dw != nullptr) dw_parts_ = carver.take<float>(floats((parts_.count - 1) * weights()));
    if (out_.db != nullptr) db_parts_ = carver.take<float>(floats((parts_.count - 1) * d_.outputs));
    benches_ = carver.take<char>(bench_bytes() * static_cast<size_t>(parts_.workers));
    return carver.used();
  }

  void run() {
    plan_.project.pack(in_.w, w_forward_);
    if (out_.dh != nullptr) plan_.back_to_h.pack(in_.w, w_back_);
    parallel_for(parts_.workers, [&](int64_t worker) {
      Bench bench;
      carve_bench(bench, benches_ + static_cast<size_t>(worker) * bench_bytes());
      const Range mine = part_of(parts_.count, parts_.workers, worker);
      for (int64_t part = mine.begin; part < mine.end; ++part) run_part(part, bench);
    });
    add_parts(out_.dw, dw_parts_, weights());
    add_parts(out_.db, db_parts_, d_.outputs);
    if (out_.loss == nullptr) return;
    double total = 0.0;
    for (int64_t i = 0; i < d_.rows; ++i) total += losses_[i];
    *out_.loss = static_cast<float>(total / static_cast<double>(d_.rows));
  }

 private:
  int64_t weights() const { return d_.outputs * d_.width; }

  size_t carve_bench(Bench& bench, void* memory) const {
    Carver carver(memory);
    const size_t compute_bytes = dtype_bytes(compute_);
    const auto h_elements = static_cast<size_t>(tile_rows_ * d_.width);
    const auto p_elements = static_cast<size_t>(tile_rows_ * d_.outputs);
    bench.p = carver.take<float>(p_elements * sizeof(float));
    bench.dp = compute_ == Dtype::kF32 ? bench.p : carver.take<void>(p_elements * compute_bytes);
    bench.h = carver.take<void>(h_elements * compute_bytes);
    if (out_.dh != nullptr) bench.dh = carver.take<float>(h_elements * sizeof(float));
    bench.scratch = carver.take<void>(plan_.scratch_bytes());
    return carver.used();
  }
  size_t bench_bytes() const {
    Bench none;
    return carve_bench(none, nullptr);
  }

  /// The first part adds into the result itself.
  float* part_sum(float* result, float* parts, int64_t part, int64_t count) const {
    if (result == nullptr || part == 0) return result;
    return parts + (part - 1) * count;
  }
  void add_parts(float* result, const float* parts, int64_t count) const {
    if (result == nullptr) return;
    parallel_ranges(count, [&](int64_t begin, int64_t end) {
      for (int64_t part = 1; part < parts_.count; ++part) {
        const float* from = parts + (part - 1) * count;
        for (int64_t i = begin; i < end; ++i) result[i] += from[i];
      }
    });
  }

  void run_part(int64_t part, const Bench& bench) const {
    float* dw = part_sum(out_.dw, dw_parts_, part, weights());
    float* db = part_sum(out_.db, db_parts_, part, d_.outputs);
    if (dw != nullptr) std::fill_n(dw, weights(), 0.0f);
    if (db != nullptr) std::fill_n(db, d_.outputs, 0.0f);
    const Range tiles = part_of(tile_count(d_), parts_.count, part);
    for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      const int64_t first = tile * kBlockRows;
      const Range rows{first, std::min(first + kBlockRows, d_.rows)};
      const void* h = tile_of_h(rows, bench);
      plan_.project.run({.a = h,
                         .b = w_forward_,
                         .bias = problem_.bias == Bias::kPresent ? in_.b : nullptr,
                         .c = bench.p},
                        bench.scratch);
      measure(rows, bench);
      if (out_.wants_gradient()) multiply_back(rows, h, bench, dw, db);
    }
  }

  /// The rows where they are, or, if the primitive cannot take them so, a copy filled up with
  /// zeros: whatever the rows beyond the last project to, they add nothing to dw.
  const void* tile_of_h(Range rows, const Bench& bench) const {
    const int64_t count = rows.end - rows.begin;
    const void* given = static_cast<const char*>(in_.h) +
                        static_cast<size_t>(rows.begin * d_.width) * dtype_bytes(problem_.dtype);
    if (problem_.dtype == compute_ && count == tile_rows_) return given;
    const int64_t elements = count * d_.width;
    const int64_t rest = (tile_rows_ - count) * d_.width;
    if (problem_.dtype == compute_) {
      const size_t bytes = static_cast<size_t>(elements) * dtype_bytes(compute_);
      std::memcpy(bench.h, given, bytes);
      std::memset(static_cast<char*>(bench.h) + bytes, 0,
                  static_cast<size_t>(rest) * dtype_bytes(compute_));
    } else {
      float* h = static_cast<float*>(bench.h);
      for (int64_t i = 0; i < elements; ++i) h[i] = to_float(static_cast<const Bf16*>(given)[i]);
      std::fill_n(h + elements, rest, 0.0f);
    }
    return bench.h;
  }

  TransportSums sums_of(const float* p, const float* y) const {
    F32x16 pp{}, py{}, yy{}, rr{};
    for_lanes(0, d_.outputs, [&](int64_t k, auto lanes) {
      const F32x16 a = lanes.load(p + k);
      const F32x16 b = lanes.load(y + k);
      pp += a * a;
      py += a * b;
      yy += b * b;
      rr += (a - b) * (a - b);
    });
    TransportSums sums;
    for (int64_t i = 0; i < kLanes; ++i) {
      sums.pp += pp[i];
      sums.py += py[i];
      sums.yy += yy[i];
      sums.residual += rr[i];
    }
    return sums;
  }

  /// Reads the tile of p and leaves the gradient of the mean loss there.
  void measure(Range rows, const Bench& bench) const {
    const double scale = 1.0 / static_cast<double>(d_.rows);
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      float* p = bench.p + (i - rows.begin) * d_.outputs;
      const float* y = in_.y + (i % d_.targets) * d_.outputs;
      const TransportRow row = transport_row(sums_of(p, y), problem_.measure);
      if (out_.residual != nullptr) out_.residual[i] = static_cast<float>(row.residual);
      if (out_.cosine != nullptr) out_.cosine[i] = static_cast<float>(row.cosine);
      losses_[i] = problem_.measure == TransportMeasure::kCosine ? row.cosine : row.residual;
      if (!out_.wants_gradient()) continue;
      const F32x16 along_p = splat(static_cast<float>(scale * row.along_p));
      const F32x16 along_y = splat(static_cast<float>(scale * row.along_y));
      for_lanes(0, d_.outputs, [&](int64_t k, auto lanes) {
        lanes.store(p + k, along_p * lanes.load(p + k) + along_y * lanes.load(y + k));
      });
    }
  }

  void multiply_back(Range rows, const void* h, const Bench& bench, float* dw, float* db) const {
    const int64_t count = rows.end - rows.begin;
    if (db != nullptr) {
      for (int64_t i = 0; i < count; ++i) {
        const float* dp = bench.p + i * d_.outputs;
        for (int64_t k = 0; k < d_.outputs; ++k) db[k] += dp[k];
      }
    }
    if (compute_ == Dtype::kBf16) {
      Bf16* dp = static_cast<Bf16*>(bench.dp);
      for_lanes(0, tile_rows_ * d_.outputs,
                [&](int64_t i, auto lanes) { lanes.store(dp + i, lanes.load(bench.p + i)); });
    }
    if (out_.dh != nullptr) {
      float* dh = out_.dh + rows.begin * d_.width;
      float* whole = count == tile_rows_ ? dh : bench.dh;
      plan_.back_to_h.run({.a = bench.dp, .b = w_back_, .c = whole}, bench.scratch);
      if (whole != dh)
        std::memcpy(dh, whole, static_cast<size_t>(count * d_.width) * sizeof(float));
    }
    if (dw != nullptr) plan_.back_to_w.run({.a = bench.dp, .b = h, .c = dw}, bench.scratch);
  }

  const TransportProblem& problem_;
  const TransportDims& d_;
  const TransportInputs& in_;
  const TransportOutputs& out_;
  const Plan& plan_;
  Dtype compute_;
  int64_t tile_rows_;
  Parts parts_;
  double* losses_ = nullptr;
  void* w_forward_ = nullptr;
  void* w_back_ = nullptr;
  float* dw_parts_ = nullptr;
  float* db_parts_ = nullptr;
  char* benches_ = nullptr;
};

void no_rows(const TransportDims& d, const TransportOutputs& out) {
  if (out.loss != nullptr) *out.loss = 0.0f;
  if (out.dw != nullptr) std::fill_n(out.dw, d.outputs * d.width, 0.0f);
  if (out.db != nullptr) std::fill_n(out.db, d.outputs, 0.0f);
}

}  // namespace

size_t transport_loss_workspace_bytes_cpu(const TransportProblem& problem,
                                          const TransportOutputs& out) {
  if (problem.dims.rows == 0) return 0;
  const TransportInputs none;
  return TransportRun(problem, none, out).carve(nullptr);
}

void transport_loss_cpu(const TransportProblem& problem, const TransportInputs& in,
                        const TransportOutputs& out, Workspace workspace, Stream) {
  if (problem.dims.rows == 0) return no_rows(problem.dims, out);
  TransportRun run(problem, in, out);
  run.carve(workspace.data);
  run.run();
}

}  // namespace rela
