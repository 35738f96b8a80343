#pragma once
// One row of the transport loss: the terms that its measures and gradients need.

#include <cmath>

#include "kernels/transport/transport_loss.h"

namespace rela {

/// Sums of products of a projected row p and its target y.
struct TransportSums {
  double pp = 0.0, py = 0.0, yy = 0.0;
  double residual = 0.0;  // |p - y|^2, summed directly: pp - 2 py + yy would cancel
};

/// d measure / dp = along_p p + along_y y.
struct TransportRow {
  double residual = 0.0, cosine = 0.0;  // the measures
  double along_p = 0.0, along_y = 0.0;
};

inline double transport_inverse_norm(double squares) {
  const double norm = std::sqrt(squares);
  return norm <= kTransportEps ? 0.0 : 1.0 / norm;  // NaN propagates
}

inline TransportRow transport_row(const TransportSums& sums, TransportMeasure measure) {
  const double inv_p = transport_inverse_norm(sums.pp);
  const double inv_y = transport_inverse_norm(sums.yy);
  const double cosine = sums.py * inv_p * inv_y;
  TransportRow row{
      .residual = sums.residual, .cosine = 1.0 - cosine, .along_p = 2.0, .along_y = -2.0};
  if (measure == TransportMeasure::kCosine) {
    row.along_p = cosine * inv_p * inv_p;
    row.along_y = -inv_p * inv_y;
  }
  return row;
}

}  // namespace rela
