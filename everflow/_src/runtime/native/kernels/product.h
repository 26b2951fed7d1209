// Products of matrices in single precision, and in bfloat16 with sums in single precision.
#pragma once

#include <cstdint>
#include <string>

#include "workers.h"

namespace everflow {

// The numbers of `count` products [rows, inner] x [inner, columns], in the order in which Python packs them. Matrices
// follow each other in memory; a transposed one lies as [inner, rows], or [columns, inner].
struct ProductShape {
  static constexpr int kNumbers = 7;

  int64_t type;  // 0: float32, 1: bfloat16
  int64_t count, rows, columns, inner;
  int64_t transpose_a, transpose_b;

  // Throws Failure when the numbers make no sense.
  static ProductShape parse(const int64_t* numbers, int64_t count);
};

// oneDNN's name of what would compute products; empty where it has nothing worth using.
std::string product_implementation(const ProductShape& shape);

void product(Workers& workers, const ProductShape& shape, const void* a, const void* b, void* result);

}  // namespace everflow
