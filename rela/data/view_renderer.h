#pragma once

#include "rela/data/loader.h"
#include "runtime/tensor.h"

namespace rela {

/// Renders the views of a loader's batches on cuda.
class ViewRenderer {
 public:
  /// Throws UnsupportedError in a build without CUDA.
  explicit ViewRenderer(const LoaderOptions& options);

  /// Of the images of one batch, [2B, S, S, 3].
  Shape shape() const { return shape_; }
  /// In the copy stream: a batch's `pixels` and `jobs`, on cuda, become `images`.
  void render(const Tensor& pixels, const Tensor& jobs, Tensor& images);

 private:
  Shape shape_;
  Normalization normalization_;
  Tensor workspace_;
};

}  // namespace rela
