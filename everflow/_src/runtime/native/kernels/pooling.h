// Maxima and averages over windows, and their gradients: images are [batch, rows..., channels] in single precision.
#pragma once

#include <cstdint>

#include "workers.h"

namespace everflow {

// The numbers of one pooling, in the order in which Python packs them. Fewer than three spatial dimensions have extents
// of one in front.
struct PoolingShape {
  static constexpr int kNumbers = 19;
  enum Kind : int64_t { kMaximum = 0, kMaximumGradient = 1, kAverage = 2, kAverageGradient = 3 };

  int64_t kind;
  int64_t batch, channels;
  int64_t size[3], window[3], output[3], stride[3], before[3];
  int64_t positive;  // of gradients of maxima: maxima that are not above 0 get none, as behind a rectifier

  // Throws Failure when the numbers contradict each other.
  static PoolingShape parse(const int64_t* numbers, int64_t count);

  int64_t image_elements() const;
  int64_t pooled_elements() const;
};

// The memory of one pooling; what a kind does not need is nullptr. The result has the size of the images for gradients,
// else that of what was pooled.
struct PoolingOperands {
  const float* images = nullptr;    // maxima and their gradient
  const float* maxima = nullptr;    // gradient of maxima
  const float* gradient = nullptr;  // gradients: of what was pooled
  float* result = nullptr;
};

// A maximum is NaN where an element of the window is. Its gradient goes to the first element that equals it. Averages
// are taken over the elements of the window that are no padding.
void pooling(Workers& workers, const PoolingShape& shape, const PoolingOperands& operands);

}  // namespace everflow
