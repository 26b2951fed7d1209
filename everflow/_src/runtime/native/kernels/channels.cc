#include "channels.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "dnnl_api.h"
#include "vectors.h"

namespace everflow {

namespace {

constexpr int64_t kLargestExtent = int64_t{1} << 40;
// Fewer elements than this are done before a second thread has woken up.
constexpr int64_t kWorthASecondThread = 1 << 15;
// Rows that are summed in single precision before their sum is added to one in double precision.
constexpr int64_t kBlock = 64;

int pieces_of(const Workers& workers, const ChannelShape& shape) {
  const int64_t worth = 1 + shape.rows * shape.channels / kWorthASecondThread;
  return static_cast<int>(std::max<int64_t>(1, std::min({static_cast<int64_t>(workers.count()), worth, shape.rows})));
}

// sums += x - shift, squares += (x - shift)^2, over `rows` rows.
EVERFLOW_VECTORS
void add_moments(const float* __restrict x, const float* __restrict shift, int64_t rows, int64_t channels,
                 float* __restrict sums, float* __restrict squares) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float* r = x + row * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const float v0 = r[c] - shift[c], v1 = r[channels + c] - shift[c];
      const float v2 = r[2 * channels + c] - shift[c], v3 = r[3 * channels + c] - shift[c];
      sums[c] += (v0 + v1) + (v2 + v3);
      squares[c] += (v0 * v0 + v1 * v1) + (v2 * v2 + v3 * v3);
    }
  }
  for (; row < rows; ++row) {
    const float* r = x + row * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const float v = r[c] - shift[c];
      sums[c] += v;
      squares[c] += v * v;
    }
  }
}

// sums += dy, products += dy * (x - mean), over `rows` rows.
EVERFLOW_VECTORS
void add_products(const float* __restrict dy, const float* __restrict x, const float* __restrict mean, int64_t rows,
                  int64_t channels, float* __restrict sums, float* __restrict products) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float* d = dy + row * channels;
    const float* r = x + row * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const float d0 = d[c], d1 = d[channels + c], d2 = d[2 * channels + c], d3 = d[3 * channels + c];
      sums[c] += (d0 + d1) + (d2 + d3);
      products[c] += (d0 * (r[c] - mean[c]) + d1 * (r[channels + c] - mean[c])) +
                     (d2 * (r[2 * channels + c] - mean[c]) + d3 * (r[3 * channels + c] - mean[c]));
    }
  }
  for (; row < rows; ++row) {
    const float* d = dy + row * channels;
    const float* r = x + row * channels;
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += d[c];
      products[c] += d[c] * (r[c] - mean[c]);
    }
  }
}

// a * (x - shift) + b + d * z of one row, or without the last term.
template <bool kAddend, bool kRelu>
inline __attribute__((always_inline)) void affine_row(const float* x, const ChannelTerms& t, const float* z,
                                                      int64_t channels, float* y) {
  const float *__restrict a = t.factor, *__restrict b = t.offset, *__restrict m = t.shift, *__restrict d = t.addend_factor;
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    float v = a[c] * (x[c] - m[c]) + b[c];
    if (kAddend) v += d[c] * z[c];
    y[c] = kRelu && v < 0.0f ? 0.0f : v;  // a NaN stays one
  }
}

// Two sums per channel: `add(first_row, rows, one, two)` adds a block to sums in single precision. Blocks are added up
// in double precision, pieces in their order, so that the result is the same bits every time.
template <typename Add>
std::vector<double> two_sums(Workers& workers, const ChannelShape& shape, Add add) {
  const int pieces = pieces_of(workers, shape);
  const int64_t channels = shape.channels;
  std::vector<std::vector<double>> totals(pieces);
  parallel(workers, pieces, [&](int piece) {
    std::vector<double>& total = totals[piece];
    total.assign(2 * channels, 0.0);
    std::vector<float> sums(2 * channels);
    const int64_t last = shape.rows * (piece + 1) / pieces;
    for (int64_t row = shape.rows * piece / pieces; row < last; row += kBlock) {
      std::memset(sums.data(), 0, sums.size() * sizeof(float));
      add(row, std::min(kBlock, last - row), sums.data(), sums.data() + channels);
      for (int64_t c = 0; c < 2 * channels; ++c) total[c] += sums[c];
    }
  });
  for (int piece = 1; piece < pieces; ++piece) {
    for (int64_t c = 0; c < 2 * channels; ++c) totals[0][c] += totals[piece][c];
  }
  return std::move(totals[0]);
}

}  // namespace

ChannelShape ChannelShape::parse(const int64_t* numbers, int64_t count) {
  static_assert(sizeof(ChannelShape) == kNumbers * sizeof(int64_t), "the record is its numbers");
  if (count != kNumbers) throw Failure("channels: the description is incomplete");
  ChannelShape s;
  std::memcpy(&s, numbers, sizeof(s));
  if (s.rows <= 0 || s.channels <= 0 || s.rows >= kLargestExtent || s.channels >= kLargestExtent / s.rows) {
    throw Failure("channels: an extent is out of range");
  }
  if (s.relu < 0 || s.relu > 1) throw Failure("channels: a flag is neither 0 nor 1");
  return s;
}

void channel_moments(Workers& workers, const ChannelShape& shape, const float* x, float* mean, float* variance) {
  // Deviations from the first row: they are of the size of the deviations from the mean, which is what keeps the
  // difference below exact where the mean is large beside them.
  const float* shift = x;
  const auto sums = two_sums(workers, shape, [&](int64_t row, int64_t rows, float* one, float* two) {
    add_moments(x + row * shape.channels, shift, rows, shape.channels, one, two);
  });
  for (int64_t c = 0; c < shape.channels; ++c) {
    const double deviation = sums[c] / shape.rows;
    mean[c] = static_cast<float>(shift[c] + deviation);
    const double spread = sums[shape.channels + c] / shape.rows - deviation * deviation;
    variance[c] = static_cast<float>(spread < 0.0 ? 0.0 : spread);
  }
}

void channel_products(Workers& workers, const ChannelShape& shape, const float* dy, const float* x, const float* mean,
                      float* sum, float* product) {
  const auto sums = two_sums(workers, shape, [&](int64_t row, int64_t rows, float* one, float* two) {
    const int64_t offset = row * shape.channels;
    add_products(dy + offset, x + offset, mean, rows, shape.channels, one, two);
  });
  for (int64_t c = 0; c < shape.channels; ++c) {
    sum[c] = static_cast<float>(sums[c]);
    product[c] = static_cast<float>(sums[shape.channels + c]);
  }
}

EVERFLOW_VECTORS
void affine_rows(const ChannelTerms& t, int64_t first, int64_t last, int64_t channels, bool relu, float* result) {
  for (int64_t row = first; row < last; ++row) {
    const int64_t at = row * channels;
    const float* z = t.addend == nullptr ? nullptr : t.addend + at;
    if (z == nullptr) {
      relu ? affine_row<false, true>(t.x + at, t, z, channels, result + at)
           : affine_row<false, false>(t.x + at, t, z, channels, result + at);
    } else {
      relu ? affine_row<true, true>(t.x + at, t, z, channels, result + at)
           : affine_row<true, false>(t.x + at, t, z, channels, result + at);
    }
  }
}

void channel_affine(Workers& workers, const ChannelShape& shape, const ChannelTerms& given, float* result) {
  const int pieces = pieces_of(workers, shape);
  const std::vector<float> ones(given.addend != nullptr && given.addend_factor == nullptr ? shape.channels : 0, 1.0f);
  ChannelTerms terms = given;
  if (!ones.empty()) terms.addend_factor = ones.data();
  parallel(workers, pieces, [&](int piece) {
    affine_rows(terms, shape.rows * piece / pieces, shape.rows * (piece + 1) / pieces, shape.channels, shape.relu == 1,
                result);
  });
}

}  // namespace everflow
