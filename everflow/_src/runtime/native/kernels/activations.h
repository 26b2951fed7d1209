// The logistic function and the hyperbolic tangent in single precision, for loops that the compiler turns into vectors.
//
// Both are within 2.5 units of the last place, down to the smallest numbers that there are; of NaN they are NaN.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#define EVERFLOW_INLINE inline __attribute__((always_inline))

namespace everflow {

EVERFLOW_INLINE uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

EVERFLOW_INLINE float of_bits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

// exp(x) of x <= 0: 2^n * exp(r) with a small r, for which a polynomial stands that was fitted at Chebyshev's points.
EVERFLOW_INLINE float exp_of_negative(float x) {
  // Below this the result is zero; a NaN is not below it.
  x = x < -104.0f ? -104.0f : x;
  // The sum of this constant and a small number ends in that number, rounded to a whole one.
  constexpr float kRounder = 12582912.0f;
  const float rounded = x * 1.44269504f + kRounder;
  const float n = rounded - kRounder;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts, the first exact times n
  float q = 0.0013933884f;
  q = q * r + 0.0083633354f;
  q = q * r + 0.041666463f;
  q = q * r + 0.16666576f;
  q = q * r + 0.5f;
  const float fraction = (r * r) * q + r + 1.0f;
  // 2^n in two factors: n goes down to -150, where one alone is no number.
  const int32_t exponent = static_cast<int32_t>(bits_of(rounded) - bits_of(kRounder));
  const int32_t half = exponent >> 1;
  const float first = of_bits((static_cast<uint32_t>(half) + 127u) << 23);
  const float second = of_bits((static_cast<uint32_t>(exponent - half) + 127u) << 23);
  return fraction * first * second;
}

// 1 / (1 + exp(-x)).
EVERFLOW_INLINE float sigmoid(float x) {
  const float e = exp_of_negative(-std::fabs(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

EVERFLOW_INLINE float tanh_of(float x) {
  const float size = std::fabs(x);
  // Near zero the other form loses what matters.
  const float s = x * x;
  float q = -0.00627639f;
  q = q * s + 0.021116216f;
  q = q * s - 0.053875137f;
  q = q * s + 0.13332924f;
  q = q * s - 0.33333331f;
  const float near = size * s * q + size;
  const float e = exp_of_negative(-2.0f * size);
  const float far = (1.0f - e) / (1.0f + e);
  return std::copysign(size < 0.6f ? near : far, x);
}

}  // namespace everflow
