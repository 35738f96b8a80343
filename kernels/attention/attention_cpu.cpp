// A head's queries are taken kQueries at a time: their scores against all keys are a row of the
// softmax each, and few enough to stay in the cache, whatever the number of tokens.

#include "kernels/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/tile_product.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

/// The left operand of a product: element (row, depth), in f32.
struct Left {
  const float* data;
  int64_t row_stride, depth_stride;
};

/// A factor [depth, pitch] and a product of the same pitch, which is added to or overwritten.
struct Right {
  const float* data;
  int64_t depth, pitch;
  Write mode = Write::kOverwrite;
  Right from_column(int64_t column) const { return {data + column, depth, pitch, mode}; }
};

template <int kRows, int kVectors>
void multiply_block(const Left& a, const Right& b, float* c) {
  using Vector = Tile::Vector;
  Vector sums[kRows][kVectors] = {};
  if (b.mode == Write::kAccumulate) {
    for (int r = 0; r < kRows; ++r) std::memcpy(sums[r], c + r * b.pitch, sizeof(sums[r]));
  }
  for (int64_t d = 0; d < b.depth; ++d) {
    Vector right[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      right[v] = load_vector<Vector>(b.data + d * b.pitch + v * kRegisterLanes);
    }
    for (int r = 0; r < kRows; ++r) {
      const float left = a.data[r * a.row_stride + d * a.depth_stride];
      for (int v = 0; v < kVectors; ++v) sums[r][v] = multiply_add(left, right[v], sums[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) std::memcpy(c + r * b.pitch, sums[r], sizeof(sums[r]));
}

template <int kRows>
void multiply_rows(const Left& a, const Right& b, float* c) {
  constexpr int kVectors = kRegisterLanes == 16 ? 4 : 2;  // 4 rows of them fit the registers
  int64_t column = 0;
  for (; column + kVectors * kRegisterLanes <= b.pitch; column += kVectors * kRegisterLanes) {
    multiply_block<kRows, kVectors>(a, b.from_column(column), c + column);
  }
  for (; column < b.pitch; column += kRegisterLanes) {
    multiply_block<kRows, 1>(a, b.from_column(column), c + column);
  }
}

/// c [rows, pitch] (+)= a [rows, depth] b [depth, pitch], the pitch a multiple of kLanes.
void multiply(const Left& a, int64_t rows, const Right& b, float* c) {
  constexpr int kRows = 4;
  int64_t row = 0;
  const auto below = [&](int64_t r) {
    return Left{a.data + r * a.row_stride, a.row_stride, a.depth_stride};
  };
  for (; row + kRows <= rows; row += kRows) multiply_rows<kRows>(below(row), b, c + row * b.pitch);
  for (; row < rows; ++row) multiply_rows<1>(below(row), b, c + row * b.pitch);
}

constexpr int64_t kQueries = 64;  // at a time
using Rows = std::vector<float>;

/// The rows of one image and head, packed, in f32, and products with them.
class Head {
 public:
  explicit Head(const AttentionDims& d)
      : tokens_(d.tokens), width_(d.width), pitch_(padded_to_lanes(d.tokens)) {}

  int64_t pitch() const { return pitch_; }  // per row of scores

  Rows rows() const { return Rows(size(tokens_ * width_)); }
  Rows transposed() const { return Rows(size(width_ * pitch_)); }
  Rows scores() const { return Rows(size(std::min(kQueries, tokens_) * pitch_)); }
  /// body(queries) for one range of queries after the other.
  template <class Body>
  void for_queries(Body&& body) const {
    for (int64_t first = 0; first < tokens_; first += kQueries) {
      body(Range{first, std::min(first + kQueries, tokens_)});
    }
  }

  template <class T>
  void load(const T* from, int64_t stride, Rows& to) const {
    for (int64_t t = 0; t < tokens_; ++t) {
      for (int64_t c = 0; c < width_; c += kLanes) {
        store_lanes(to.data() + t * width_ + c, load_lanes(from + t * stride + c));
      }
    }
  }
  template <class T>
  void store(const Rows& from, T* to, int64_t stride, Write mode) const {
    for (int64_t t = 0; t < tokens_; ++t) {
      for (int64_t c = 0; c < width_; c += kLanes) {
        F32x16 v = load_lanes(from.data() + t * width_ + c);
        if (mode == Write::kAccumulate) v += load_lanes(to + t * stride + c);
        store_lanes(to + t * stride + c, v);
      }
    }
  }

  /// Columns past the last token are 0.
  void transpose(const Rows& b, Rows& to) const {
    to.assign(to.size(), 0.0f);
    for (int64_t t = 0; t < tokens_; ++t) {
      for (int64_t w = 0; w < width_; ++w) to[size(w * pitch_ + t)] = b[size(t * width_ + w)];
    }
  }
  /// scores[i, j] = a[i] . b[j] of those queries i; columns past the last token are 0.
  void multiply_transposed(Range queries, const Rows& a, const Rows& b_transposed,
                           Rows& scores) const {
    multiply({a.data() + queries.begin * width_, width_, 1}, queries.end - queries.begin,
             {b_transposed.data(), width_, pitch_}, scores.data());
  }
  /// c[i] = sum_j scores[i, j] b[j] of those queries i.
  void weigh(Range queries, const Rows& scores, const Rows& b, Rows& c) const {
    multiply({scores.data(), pitch_, 1}, queries.end - queries.begin, {b.data(), tokens_, width_},
             c.data() + queries.begin * width_);
  }
  /// c[j] += sum_i scores[i, j] b[i] over those queries i.
  void weigh_transposed(Range queries, const Rows& scores, const Rows& b, Rows& c) const {
    multiply({scores.data(), 1, pitch_}, tokens_,
             {b.data() + queries.begin * width_, queries.end - queries.begin, width_,
              Write::kAccumulate},
             c.data());
  }

 private:
  static size_t size(int64_t count) { return static_cast<size_t>(count); }
  int64_t tokens_, width_, pitch_;
};

float scale_of(const AttentionDims& d) { return 1.0f / std::sqrt(static_cast<float>(d.width)); }

/// Turns scores into weights; returns their lse.
float softmax_row(float* s, int64_t tokens, float scale) {
  float largest = s[0] * scale;
  for (int64_t j = 0; j < tokens; ++j) {
    s[j] *= scale;
    largest = std::max(largest, s[j]);
  }
  float sum = 0.0f;
  for (int64_t j = 0; j < tokens; ++j) {
    s[j] = std::exp(s[j] - largest);
    sum += s[j];
  }
  const float share = 1.0f / sum;
  for (int64_t j = 0; j < tokens; ++j) s[j] *= share;
  return largest + std::log(sum);
}

/// Offsets of one image and head in [N, T, 3, H, D], in [N, T, H, D] and in [N, H, T].
struct HeadPlace {
  HeadPlace(const AttentionDims& d, int64_t index)
      : part(d.heads * d.width),
        qkv(index / d.heads * d.tokens * 3 * part + index % d.heads * d.width),
        out(index / d.heads * d.tokens * part + index % d.heads * d.width),
        lse(index * d.tokens) {}
  int64_t part;  // from a token's queries to its keys, and from there to its values
  int64_t qkv, out, lse;
};

/// Runs body(part of the heads) on every thread.
template <class Body>
void for_heads(const AttentionDims& d, Body&& body) {
  const int64_t heads = d.images * d.heads;
  if (heads * d.tokens * d.width == 0) return;
  const int64_t parts = std::min<int64_t>(heads, cpu_threads());
  parallel_for(parts, [&](int64_t part) { body(part_of(heads, parts, part)); });
}

template <class T>
void forward(const AttentionForwardArgs& args, const AttentionDims& d) {
  const T* qkv = static_cast<const T*>(args.qkv);
  T* out = static_cast<T*>(args.out);
  for_heads(d, [&](Range mine) {
    const Head head(d);
    Rows q = head.rows(), rows = head.rows(), keys = head.transposed(), p = head.scores();
    for (int64_t index = mine.begin; index < mine.end; ++index) {
      const HeadPlace at(d, index);
      head.load(qkv + at.qkv, 3 * at.part, q);
      head.load(qkv + at.qkv + at.part, 3 * at.part, rows);
      head.transpose(rows, keys);
      head.load(qkv + at.qkv + 2 * at.part, 3 * at.part, rows);
      head.for_queries([&](Range queries) {
        head.multiply_transposed(queries, q, keys, p);
        float* row = p.data();
        for (int64_t i = queries.begin; i < queries.end; ++i, row += head.pitch()) {
          args.lse[at.lse + i] = softmax_row(row, d.tokens, scale_of(d));
        }
        head.weigh(queries, p, rows, q);  // these queries are no longer needed
      });
      head.store(q, out + at.out, at.part, Write::kOverwrite);
    }
  });
}

// ---- backward ----

/// Scratch arrays of one thread.
struct BackwardRoom {
  explicit BackwardRoom(const Head& head)
      : q(head.rows()),
        k(head.rows()),
        v(head.rows()),
        out(head.rows()),
        dout(head.rows()),
        dk(head.rows()),
        dv(head.rows()),
        keys(head.transposed()),
        values(head.transposed()),
        p(head.scores()),
        ds(head.scores()) {}
  Rows q, k, v, out, dout, dk, dv;
  Rows keys, values;  // transposed
  Rows p, ds;         // of some queries
};

/// Turns s in room.p and dout . v in room.ds into p and ds.
void differentiate_scores(const AttentionDims& d, int64_t pitch, Range queries, const float* lse,
                          BackwardRoom& room) {
  const float scale = scale_of(d);
  for (int64_t i = queries.begin; i < queries.end; ++i) {
    float dot = 0.0f;
    for (int64_t c = i * d.width; c < (i + 1) * d.width; ++c) {
      dot += room.dout[static_cast<size_t>(c)] * room.out[static_cast<size_t>(c)];
    }
    float* p = room.p.data() + (i - queries.begin) * pitch;
    float* ds = room.ds.data() + (i - queries.begin) * pitch;
    for (int64_t j = 0; j < d.tokens; ++j) {
      p[j] = std::exp(p[j] * scale - lse[i]);
      ds[j] = scale * p[j] * (ds[j] - dot);
    }
  }
}

template <class T>
void backward(const AttentionBackwardArgs& args, const AttentionDims& d) {
  const T* qkv = static_cast<const T*>(args.qkv);
  for_heads(d, [&](Range mine) {
    const Head head(d);
    BackwardRoom room(head);
    for (int64_t index = mine.begin; index < mine.end; ++index) {
      const HeadPlace at(d, index);
      head.load(qkv + at.qkv, 3 * at.part, room.q);
      head.load(qkv + at.qkv + at.part, 3 * at.part, room.k);
      head.load(qkv + at.qkv + 2 * at.part, 3 * at.part, room.v);
      head.load(static_cast<const T*>(args.out) + at.out, at.part, room.out);
      head.load(static_cast<const T*>(args.dout) + at.out, at.part, room.dout);
      head.transpose(room.k, room.keys);
      head.transpose(room.v, room.values);
      room.dk.assign(room.dk.size(), 0.0f);
      room.dv.assign(room.dv.size(), 0.0f);
      head.for_queries([&](Range queries) {
        head.multiply_transposed(queries, room.q, room.keys, room.p);
        head.multiply_transposed(queries, room.dout, room.values, room.ds);
        differentiate_scores(d, head.pitch(), queries, args.lse + at.lse, room);
        head.weigh_transposed(queries, room.ds, room.q, room.dk);
        head.weigh_transposed(queries, room.p, room.dout, room.dv);
        head.weigh(queries, room.ds, room.k, room.q);  // these queries are no longer needed
      });
      T* dqkv = static_cast<T*>(args.dqkv.data) + at.qkv;
      head.store(room.q, dqkv, 3 * at.part, args.dqkv.mode);
      head.store(room.dk, dqkv + at.part, 3 * at.part, args.dqkv.mode);
      head.store(room.dv, dqkv + 2 * at.part, 3 * at.part, args.dqkv.mode);
    }
  });
}

}  // namespace

size_t attention_workspace_bytes_cpu(const AttentionDims&, Dtype) { return 0; }

void attention_forward_cpu(const AttentionForwardArgs& args, const AttentionDims& dims, Dtype dtype,
                           Workspace, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) { forward<T>(args, dims); });
}

void attention_backward_cpu(const AttentionBackwardArgs& args, const AttentionDims& dims,
                            Dtype dtype, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) { backward<T>(args, dims); });
}

}  // namespace rela
