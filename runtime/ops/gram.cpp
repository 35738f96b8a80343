#include "runtime/ops/gram.h"

#include "kernels/gram/gram.h"
#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"

namespace rela {
namespace {

const KernelTable<GramFn> kGram{"gram", gram_cpu, RELA_CUDA_KERNEL(gram_cuda), kMeasuredAlgorithms};
const KernelTable<GramWorkspaceFn> kGramWorkspace{"gram workspace", gram_workspace_bytes_cpu,
                                                  RELA_CUDA_KERNEL(gram_workspace_bytes_cuda)};
const KernelTable<GramShiftFn> kGramShift{"gram shift", gram_shift_cpu,
                                          RELA_CUDA_KERNEL(gram_shift_cuda)};

int64_t sum_count(int64_t columns) { return columns * columns + 3 * columns + 3; }

GramSums layout(double* sums, int64_t columns) {
  GramSums s{.gram = sums};
  s.column = s.gram + columns * columns;
  s.weighted = s.column + columns;
  s.quartic = s.weighted + 2 * columns;
  return s;
}

/// sum_i a_i b_i about the mean, where a_i = |u_i|^2 over the columns [left, left + p) of u, b_i
/// over [right, right + q), from the sums about the shift. With d the mean of u, |u_i - d|^2 = a_i
/// - 2 u_i . d + |d|^2 over the same columns.
struct Quartic {
  const GramSums& sums;
  const CentredMoments& m;
  const std::vector<double>& d;  // [P]

  struct Side {
    int64_t begin = 0, end = 0;
    const double* weighted = nullptr;  // [P] sum_i a_i u_i
  };
  double dot(const double* weighted, const Side& s) const {
    double sum = 0.0;
    for (int64_t c = s.begin; c < s.end; ++c) sum += weighted[c] * d[c];
    return sum;
  }
  /// sum_i (u_i . d over a's columns) (u_i . d over b's columns)
  double cross(const Side& a, const Side& b) const {
    const auto n = static_cast<double>(m.rows);
    double sum = 0.0;
    for (int64_t i = a.begin; i < a.end; ++i) {
      for (int64_t j = b.begin; j < b.end; ++j) sum += (m.at(i, j) + n * d[i] * d[j]) * d[i] * d[j];
    }
    return sum;
  }
  /// sum_i a_i: the trace about the mean and the shift's part.
  double squares(const Side& s) const {
    double sum = 0.0;
    for (int64_t c = s.begin; c < s.end; ++c) sum += m.at(c, c) + m.rows * d[c] * d[c];
    return sum;
  }
  double operator()(double raw, const Side& a, const Side& b) const {
    const auto n = static_cast<double>(m.rows);
    const double da = dot(d.data(), a), db = dot(d.data(), b);  // |d|^2 on each side
    // sum (a - 2 u.d + da)(b - 2 u.d + db); sum_i u_i . d = n |d|^2
    return raw - 2 * dot(a.weighted, b) - 2 * dot(b.weighted, a) + db * squares(a) +
           da * squares(b) + 4 * cross(a, b) - 2 * db * n * da - 2 * da * n * db + n * da * db;
  }
};

}  // namespace

MomentSums::MomentSums(int64_t p, int64_t q, Device device) : p_(p), q_(q) {
  RELA_CHECK(p > 0 && q >= 0, ShapeError, "moments: ", p, " and ", q,
             " columns; at least one of x is needed");
  shift_ = Tensor::zeros({columns()}, Dtype::kF32, device);
  sums_ = Tensor::zeros({sum_count(columns()) * static_cast<int64_t>(sizeof(double))}, Dtype::kU8,
                        device);
}

double* MomentSums::sums() { return static_cast<double*>(sums_.raw()); }

void MomentSums::add(const Tensor& x, const Tensor& y) {
  RELA_CHECK(x.defined() && x.shape().rank() == 2 && x.shape()[1] == p_, ShapeError,
             "moments: x is ", describe(x), "; [n, ", p_, "] is allowed");
  check_activation("moments", x);
  check_same_device("moments", x, "the sums", shift_);
  const int64_t rows = x.shape()[0];
  RELA_CHECK(q_ == 0 || (y.defined() && y.shape() == Shape({rows, q_}) && y.dtype() == x.dtype()),
             ShapeError, "moments: y is ", describe(y), " for x ", describe(x), "; [", rows, ", ",
             q_, "] of the same dtype is allowed");
  if (q_ > 0) check_same_device("moments", x, "y", y);
  const Device device = shift_.device();
  const GramDims dims{.rows = rows, .p = p_, .q = q_};
  const GramInputs in{.x = x.raw(),
                      .y = q_ == 0 ? nullptr : y.raw(),
                      .dtype = x.dtype(),
                      .shift = shift_.ptr<float>()};
  if (rows_ == 0) kGramShift.launch(device, in, shift_.ptr<float>(), dims);
  Scratch scratch(kGramWorkspace.at(device)(dims, x.dtype()), device);
  kGram.launch(device, in, layout(sums(), columns()), dims, scratch.workspace());
  rows_ += rows;
}

CentredMoments MomentSums::centred() const {
  const int64_t columns = p_ + q_;
  CentredMoments m{.rows = rows_,
                   .p = p_,
                   .q = q_,
                   .mean = std::vector<double>(columns),
                   .gram = std::vector<double>(columns * columns),
                   .quartic = {}};
  if (rows_ == 0) return m;
  Tensor host = sums_.to(Device::kCpu);
  const Tensor shift = shift_.to(Device::kCpu);
  const GramSums s = layout(static_cast<double*>(host.raw()), columns);
  const auto n = static_cast<double>(rows_);
  std::vector<double> d(columns);
  for (int64_t c = 0; c < columns; ++c) {
    d[c] = s.column[c] / n;
    m.mean[c] = shift.data<float>()[c] + d[c];
  }
  for (int64_t i = 0; i < columns; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      m.gram[i * columns + j] = m.gram[j * columns + i] = s.gram[i * columns + j] - n * d[i] * d[j];
    }
  }
  const Quartic about_mean{.sums = s, .m = m, .d = d};
  const Quartic::Side x{0, p_, s.weighted}, y{p_, columns, s.weighted + columns};
  m.quartic = {about_mean(s.quartic[0], x, x), about_mean(s.quartic[1], x, y),
               about_mean(s.quartic[2], y, y)};
  return m;
}

}  // namespace rela
