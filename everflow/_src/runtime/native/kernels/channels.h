// What normalization does to the channels of images: arrays of [rows, channels] in single precision.
#pragma once

#include <cstdint>

#include "workers.h"

namespace everflow {

struct ChannelShape {
  static constexpr int kNumbers = 3;

  int64_t rows, channels;
  int64_t relu;  // of `channel_affine` only: 1 takes max(., 0) of the result

  // Throws Failure when the numbers make no sense.
  static ChannelShape parse(const int64_t* numbers, int64_t count);
};

// Mean and (biased) variance of each channel.
void channel_moments(Workers& workers, const ChannelShape& shape, const float* x, float* mean, float* variance);

// Per channel: the sum of dy, and the sum of dy * (x - mean).
void channel_products(Workers& workers, const ChannelShape& shape, const float* dy, const float* x, const float* mean,
                      float* sum, float* product);

// The operands of `channel_affine`. Those of one number per channel: shift, factor, offset, addend_factor.
struct ChannelTerms {
  const float* x = nullptr;
  const float* shift = nullptr;
  const float* factor = nullptr;
  const float* offset = nullptr;
  const float* addend = nullptr;         // nullptr: no third term
  const float* addend_factor = nullptr;  // nullptr: one
};

// result = factor * (x - shift) + offset + addend_factor * addend.
void channel_affine(Workers& workers, const ChannelShape& shape, const ChannelTerms& terms, float* result);

// The same of rows [first, last), on the calling thread; every vector is there. The result may lie where x does.
void affine_rows(const ChannelTerms& terms, int64_t first, int64_t last, int64_t channels, bool relu, float* result);

}  // namespace everflow
