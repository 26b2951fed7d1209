// Products of matrices in single precision, and in bfloat16 with sums in single precision.
#pragma once

#include <cstdint>
#include <string>

#include "workers.h"

namespace everflow {

// The numbers of `count` products [rows, inner] x [inner, columns], in the order in which Python packs them. Matrices
// follow each other in memory; a transposed one lies as [inner, rows], or [columns, inner].
struct ProductShape {
  static constexpr int kNumbers = 10;

  int64_t type;  // 0: float32, 1: bfloat16
  int64_t count, rows, columns, inner;
  int64_t transpose_a, transpose_b;
  // What comes behind one product of single precision, in this order: a number for each column is added, the maximum
  // with 0 is taken, what stands where another array is not above 0 becomes 0.
  int64_t bias, relu, positive;

  // Throws Failure when the numbers make no sense.
  static ProductShape parse(const int64_t* numbers, int64_t count);
};

// The memory of what comes behind; nullptr for what the shape does not name.
struct ProductBehind {
  const float* bias = nullptr;      // [columns]
  const float* positive = nullptr;  // [rows, columns]
};

// oneDNN's name of what would compute products; empty where it has nothing worth using.
std::string product_implementation(const ProductShape& shape);

void product(Workers& workers, const ProductShape& shape, const void* a, const void* b, const ProductBehind& behind,
             void* result);

}  // namespace everflow
