#include "rela/eval/cosine_search.h"

#include <algorithm>

#include "kernels/similarity/top_k.h"
#include "runtime/error.h"

namespace rela {
namespace {

int64_t rows_of_a_piece(const Tensor& bank) {
  const int64_t row_bytes = bank.shape().back() * static_cast<int64_t>(sizeof(float));
  return std::max<int64_t>(CosineSearch::kPieceBytes / std::max<int64_t>(row_bytes, 1), 1);
}

/// A piece's result on the host, with rows counted from the start of the bank.
TopK fetched(const TopK& piece, int64_t first_row) {
  TopK best{piece.values.to(Device::kCpu), piece.indices.to(Device::kCpu)};
  for (int64_t& row : best.indices.span<int64_t>()) row += row < 0 ? 0 : first_row;
  return best;
}

/// The k best of two results for the same queries; of equal ones those of `a`, whose rows come
/// first.
TopK merged(const TopK& a, const TopK& b, int64_t k) {
  const int64_t queries = a.values.shape()[0];
  const int64_t in_a = a.values.shape()[1], in_b = b.values.shape()[1];
  const int64_t kept = std::min(k, in_a + in_b);
  TopK best{Tensor::empty({queries, kept}, Dtype::kF32),
            Tensor::empty({queries, kept}, Dtype::kI64)};
  for (int64_t q = 0; q < queries; ++q) {
    for (int64_t r = 0, i = q * in_a, j = q * in_b; r < kept; ++r) {
      const bool a_is_left = i < (q + 1) * in_a, b_is_left = j < (q + 1) * in_b;
      const bool takes_a =
          a_is_left && (!b_is_left || a.values.data<float>()[i] >= b.values.data<float>()[j]);
      const TopK& from = takes_a ? a : b;
      const int64_t at = takes_a ? i++ : j++;
      best.values.data<float>()[q * kept + r] = from.values.data<float>()[at];
      best.indices.data<int64_t>()[q * kept + r] = from.indices.data<int64_t>()[at];
    }
  }
  return best;
}

}  // namespace

void check_neighbour_count(int64_t k, Device device) {
  RELA_CHECK(device == Device::kCpu || k <= kTopKCudaLimit, UnsupportedError, "k: ", k,
             " neighbours on cuda; at most ", kTopKCudaLimit, " are allowed there; lower k, or ",
             kChooseCpu);
}

CosineSearch::CosineSearch(const Tensor& bank, int64_t piece_rows)
    : bank_(bank), piece_rows_(piece_rows > 0 ? piece_rows : rows_of_a_piece(bank)) {
  if (bank.shape()[0] <= piece_rows_) normalized_ = l2_normalize_rows(bank);
}

TopK CosineSearch::nearest(const Tensor& queries, int64_t k) const {
  const Tensor x = l2_normalize_rows(queries);
  if (normalized_.defined()) return fetched(top_k_similarity(x, normalized_, k), 0);
  TopK best;
  const int64_t rows = bank_.shape()[0];
  for (int64_t begin = 0; begin < rows; begin += piece_rows_) {
    const int64_t end = std::min(begin + piece_rows_, rows);
    const Tensor piece = l2_normalize_rows(bank_.slice(begin, end));
    const TopK found = fetched(top_k_similarity(x, piece, std::min(k, end - begin)), begin);
    best = begin == 0 ? found : merged(best, found, k);
  }
  return best;
}

}  // namespace rela
