// Convolutions and their gradients; images are [batch, rows..., channels], filters [window..., in / groups, out].
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "channels.h"
#include "workers.h"

namespace everflow {

// The numbers of one convolution, in the order in which Python packs them. Up to three spatial dimensions, the first
// `dims` entries of the arrays; the padding behind follows from the others.
struct ConvolutionShape {
  static constexpr int kNumbers = 30;
  enum Kind : int64_t { kForward = 0, kByData = 1, kByWeights = 2 };

  int64_t kind;
  int64_t type;  // 0: float32, 1: bfloat16
  int64_t dims;
  int64_t batch, in_channels, out_channels, groups;
  int64_t bias;  // forward only: 1 adds one number per output channel
  // What comes behind the forward convolution, in this order; each 0 or 1.
  int64_t affine;  // factor * (. - shift) + offset, with numbers per output channel
  int64_t addend;  // an array of the shape of the result is added
  int64_t relu;    // max(., 0)
  int64_t size[3], window[3], output[3], stride[3], dilation[3], before[3];
  // Forward only: the position, counted from 1, of the version of the filters among the versions that come as the last
  // operand of a compiled call; 0 where none come.
  int64_t versioned;

  // Throws Failure when the numbers contradict each other.
  static ConvolutionShape parse(const int64_t* numbers, int64_t count);

  int64_t image_elements() const;
  int64_t filter_elements() const;
  int64_t result_elements() const;
  // Of the operands a and b of `convolution` and of its result, in this order.
  std::array<int64_t, 3> operand_elements() const;
};

// The implementation that oneDNN would choose, or an empty text when it has none worth using.
std::string convolution_implementation(const ConvolutionShape& shape);

// forward: a = images, b = filters, result = images. By data: a = gradient of the result, b = filters, result =
// gradient of the images. By weights: a = images, b = gradient of the result, result = gradient of the filters.
// `behind`: what the description says comes behind, its `x` left out. `version`: filters of the same version are the same
// filters; 0 where they may be others each time.
void convolution(Workers& workers, const ConvolutionShape& shape, const void* a, const void* b, const void* bias,
                 const ChannelTerms& behind, void* result, int64_t version = 0);

}  // namespace everflow
