#include "vectors.h"

namespace everflow {

EVERFLOW_VECTORS
void add(const float* values, int64_t count, float* total) {
#pragma GCC ivdep
  for (int64_t k = 0; k < count; ++k) total[k] += values[k];
}

}  // namespace everflow
