// Products of matrices in single precision.
#pragma once

#include <cstdint>

#include "workers.h"

namespace everflow {

// The numbers of `count` products [rows, inner] x [inner, columns], in the order in which Python packs them. Matrices
// follow each other in memory; a transposed one lies as [inner, rows], or [columns, inner].
struct ProductShape {
  static constexpr int kNumbers = 6;

  int64_t count, rows, columns, inner;
  int64_t transpose_a, transpose_b;

  // Throws Failure when the numbers make no sense.
  static ProductShape parse(const int64_t* numbers, int64_t count);
};

void product(Workers& workers, const ProductShape& shape, const float* a, const float* b, float* result);

}  // namespace everflow
