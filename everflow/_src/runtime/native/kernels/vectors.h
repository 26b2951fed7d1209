// A function marked so is compiled for several vector lengths; the processor that runs it picks its own.
#pragma once

#include <cstdint>

#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__) && \
    (defined(__clang__) ? __clang_major__ >= 14 : defined(__GNUC__))
#define EVERFLOW_VECTORS __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#define EVERFLOW_HAS_VECTORS  // functions may also be written for one processor each
#else
#define EVERFLOW_VECTORS
#endif

namespace everflow {

// total += values.
void add(const float* values, int64_t count, float* total);

// max(., 0) in place; NaNs stay. oneDNN has it as a post-operation, which makes zeros of them.
void rectify(float* numbers, int64_t count);

// Zero in place where `features` are not above 0.
void keep_where_positive(const float* features, int64_t count, float* numbers);

}  // namespace everflow
