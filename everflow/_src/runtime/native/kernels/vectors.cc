#include "vectors.h"

namespace everflow {

EVERFLOW_VECTORS
void add(const float* values, int64_t count, float* total) {
#pragma GCC ivdep
  for (int64_t k = 0; k < count; ++k) total[k] += values[k];
}

EVERFLOW_VECTORS
void rectify(float* numbers, int64_t count) {
  for (int64_t i = 0; i < count; ++i) numbers[i] = numbers[i] < 0.0f ? 0.0f : numbers[i];
}

EVERFLOW_VECTORS
void keep_where_positive(const float* features, int64_t count, float* numbers) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) numbers[i] = features[i] > 0.0f ? numbers[i] : 0.0f;
}

}  // namespace everflow
