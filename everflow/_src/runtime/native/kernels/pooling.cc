#include "pooling.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "dnnl_api.h"
#include "vectors.h"

namespace everflow {

namespace {

constexpr int64_t kLargestExtent = int64_t{1} << 31;
constexpr double kMostElements = 1e12;
// Fewer reads than this are done before a second thread has woken up.
constexpr double kWorthASecondThread = 1 << 16;
// Channels are not cut into narrower pieces.
constexpr int64_t kNarrowest = 16;
// Elements of a window that are looked at in one go.
constexpr int64_t kTogether = 4;

void require(bool condition, const char* message) {
  if (!condition) throw Failure(std::string("pooling: ") + message);
}

int64_t volume(const int64_t* extents) { return extents[0] * extents[1] * extents[2]; }

bool is_gradient(const PoolingShape& s) {
  return s.kind == PoolingShape::kMaximumGradient || s.kind == PoolingShape::kAverageGradient;
}

// The channels [first, first + count) of one image: what one thread works on at a time.
struct Part {
  int64_t image, first, count;
};

// Rows of the elements of one window, a multiple of kTogether of them.
struct Rows {
  std::vector<const float*> from;  // images
  std::vector<float*> to;          // gradient of the images
  int64_t inside = 0;              // how many are no padding
};

// Rows that stand for elements that are not there.
struct Fillers {
  std::vector<float> memory;
  const float* neutral;   // the last rows, that make up the multiple: they change nothing
  const float* padding;   // the padding of maxima
  float* nowhere;         // what is added here is forgotten
  float* left;            // what is yet to be given to a window

  Fillers(const PoolingShape& s, int64_t count) : memory(4 * count, 0.0f) {
    float* rows = memory.data();
    const float lowest = -std::numeric_limits<float>::infinity();
    const bool gradient = s.kind == PoolingShape::kMaximumGradient;
    if (gradient) std::fill_n(rows, count, std::numeric_limits<float>::quiet_NaN());  // equals nothing
    if (s.kind == PoolingShape::kMaximum) std::fill_n(rows, count, lowest);
    std::fill_n(rows + count, count, lowest);
    neutral = rows;
    padding = rows + count;
    nowhere = rows + 2 * count;
    left = rows + 3 * count;
  }
};

// Collects the rows of the window at `at`.
void collect(const PoolingShape& s, const int64_t* at, const float* images, float* result, const Fillers& fillers,
             Rows& rows) {
  rows.from.clear();
  rows.to.clear();
  rows.inside = 0;
  const bool with_padding = s.kind == PoolingShape::kMaximumGradient;
  int64_t begin[3], first[3], last[3];
  for (int i = 0; i < 3; ++i) {
    begin[i] = at[i] * s.stride[i] - s.before[i];
    first[i] = with_padding ? 0 : std::max<int64_t>(0, -begin[i]);
    last[i] = with_padding ? s.window[i] : std::min(s.window[i], s.size[i] - begin[i]);
  }
  for (int64_t i = first[0]; i < last[0]; ++i) {
    for (int64_t j = first[1]; j < last[1]; ++j) {
      for (int64_t k = first[2]; k < last[2]; ++k) {
        const int64_t x = begin[0] + i, y = begin[1] + j, z = begin[2] + k;
        const bool inside = x >= 0 && x < s.size[0] && y >= 0 && y < s.size[1] && z >= 0 && z < s.size[2];
        const int64_t offset = ((x * s.size[1] + y) * s.size[2] + z) * s.channels;
        rows.from.push_back(inside && images != nullptr ? images + offset : fillers.padding);
        rows.to.push_back(inside && result != nullptr ? result + offset : fillers.nowhere);
        rows.inside += inside;
      }
    }
  }
  while (rows.from.size() % kTogether != 0) {
    rows.from.push_back(fillers.neutral);
    rows.to.push_back(fillers.nowhere);
  }
}

// Loops over the channels, for kTogether rows of a window each. They stand alone so that the compiler sees nothing but
// the loop that is to become vectors.

EVERFLOW_VECTORS
void take_maximum(const float* const* rows, int64_t channels, float* __restrict y) {
  const float *__restrict a = rows[0], *__restrict b = rows[1], *__restrict c = rows[2], *__restrict d = rows[3];
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (int64_t n = 0; n < channels; ++n) {
    const bool is_nan = __builtin_isunordered(a[n], b[n]) | __builtin_isunordered(c[n], d[n]);
    const float one = a[n] > b[n] ? a[n] : b[n], other = c[n] > d[n] ? c[n] : d[n];
    const float both = one > other ? one : other;
    const float maximum = both > y[n] ? both : y[n];  // a NaN that is there already, stays
    y[n] = is_nan ? nan : maximum;
  }
}

EVERFLOW_VECTORS
void add_rows(const float* const* rows, int64_t channels, float* __restrict y) {
  const float *__restrict a = rows[0], *__restrict b = rows[1], *__restrict c = rows[2], *__restrict d = rows[3];
  for (int64_t n = 0; n < channels; ++n) y[n] = (((y[n] + a[n]) + b[n]) + c[n]) + d[n];
}

EVERFLOW_VECTORS
void divide(float divisor, int64_t channels, float* __restrict y) {
  for (int64_t n = 0; n < channels; ++n) y[n] /= divisor;
}

// What is left for the window goes where an element equals the maximum. The rows are different ones, save those that
// nobody reads; `after` may be `before`.
EVERFLOW_VECTORS
void give_to_first(const float* const* from, float* const* to, int64_t channels, const float* __restrict y,
                   const float* before, float* after) {
  const float *a = from[0], *b = from[1], *c = from[2], *d = from[3];
  float *da = to[0], *db = to[1], *dc = to[2], *dd = to[3];
#pragma GCC ivdep
  for (int64_t n = 0; n < channels; ++n) {
    const bool at_a = a[n] == y[n], at_b = b[n] == y[n], at_c = c[n] == y[n], at_d = d[n] == y[n];
    const float left = before[n];
    const float behind_a = at_a ? 0.0f : left, behind_b = at_b ? 0.0f : behind_a, behind_c = at_c ? 0.0f : behind_b;
    da[n] += at_a ? left : 0.0f;
    db[n] += at_b ? behind_a : 0.0f;
    dc[n] += at_c ? behind_b : 0.0f;
    dd[n] += at_d ? behind_c : 0.0f;
    after[n] = at_d ? 0.0f : behind_c;
  }
}

EVERFLOW_VECTORS
void give_to_all(float* const* to, int64_t channels, float divisor, const float* __restrict dy) {
  float *a = to[0], *b = to[1], *c = to[2], *d = to[3];
#pragma GCC ivdep
  for (int64_t n = 0; n < channels; ++n) {
    const float share = dy[n] / divisor;
    a[n] += share;
    b[n] += share;
    c[n] += share;
    d[n] += share;
  }
}

// One window: its rows, and its place in the images that were pooled.
void pool_window(const PoolingShape& s, const PoolingOperands& given, const Rows& rows, int64_t channels, int64_t place,
                 float* left) {
  const int64_t count = static_cast<int64_t>(rows.from.size());
  const float inside = static_cast<float>(rows.inside);
  float* y = given.result + place;
  switch (s.kind) {
    case PoolingShape::kMaximum:
      std::fill_n(y, channels, -std::numeric_limits<float>::infinity());
      for (int64_t i = 0; i < count; i += kTogether) take_maximum(&rows.from[i], channels, y);
      break;
    case PoolingShape::kAverage:
      std::fill_n(y, channels, 0.0f);
      for (int64_t i = 0; i < count; i += kTogether) add_rows(&rows.from[i], channels, y);
      divide(inside, channels, y);
      break;
    case PoolingShape::kMaximumGradient:
      for (int64_t i = 0; i < count; i += kTogether) {
        const float* before = i == 0 ? given.gradient + place : left;
        give_to_first(&rows.from[i], &rows.to[i], channels, given.maxima + place, before, left);
      }
      break;
    default:
      for (int64_t i = 0; i < count; i += kTogether) give_to_all(&rows.to[i], channels, inside, given.gradient + place);
  }
}

void pool(const PoolingShape& s, const PoolingOperands& given, const Part& part) {
  Fillers fillers(s, part.count);
  Rows rows;
  const int64_t image = part.image * volume(s.size) * s.channels + part.first;
  int64_t pooled = part.image * volume(s.output) * s.channels + part.first;
  const float* images = given.images == nullptr ? nullptr : given.images + image;
  float* target = is_gradient(s) ? given.result + image : nullptr;
  if (is_gradient(s)) {
    for (int64_t i = 0; i < volume(s.size); ++i) std::memset(target + i * s.channels, 0, part.count * sizeof(float));
  }
  int64_t at[3];
  for (at[0] = 0; at[0] < s.output[0]; ++at[0]) {
    for (at[1] = 0; at[1] < s.output[1]; ++at[1]) {
      for (at[2] = 0; at[2] < s.output[2]; ++at[2], pooled += s.channels) {
        collect(s, at, images, target, fillers, rows);
        pool_window(s, given, rows, part.count, pooled, fillers.left);
      }
    }
  }
}

}  // namespace

PoolingShape PoolingShape::parse(const int64_t* numbers, int64_t count) {
  static_assert(sizeof(PoolingShape) == kNumbers * sizeof(int64_t), "the record is its numbers");
  require(count == kNumbers, "the description is incomplete");
  PoolingShape s;
  std::memcpy(&s, numbers, sizeof(s));
  require(s.kind >= 0 && s.kind <= 3, "unknown kind");
  for (int64_t extent : {s.batch, s.channels}) {
    require(extent > 0 && extent < kLargestExtent, "an extent is out of range");
  }
  double images = static_cast<double>(s.batch) * s.channels, pooled = images, windows = 1;
  for (int i = 0; i < 3; ++i) {
    for (int64_t extent : {s.size[i], s.window[i], s.output[i], s.stride[i]}) {
      require(extent > 0 && extent < kLargestExtent, "an extent is out of range");
    }
    // Every window has an element that is no padding.
    require(s.before[i] >= 0 && s.before[i] < s.window[i], "padding is wider than the window");
    require((s.output[i] - 1) * s.stride[i] - s.before[i] < s.size[i], "sizes contradict each other");
    images *= s.size[i];
    pooled *= s.output[i];
    windows *= s.window[i];
  }
  require(std::max({images, pooled, windows}) < kMostElements, "too many elements");
  return s;
}

int64_t PoolingShape::image_elements() const { return batch * channels * volume(size); }
int64_t PoolingShape::pooled_elements() const { return batch * channels * volume(output); }

void pooling(Workers& workers, const PoolingShape& s, const PoolingOperands& operands) {
  const double work = static_cast<double>(s.pooled_elements()) * volume(s.window);
  const int64_t threads =
      static_cast<int64_t>(std::min<double>(workers.count(), 1 + work / kWorthASecondThread));
  // Windows that overlap add to the same rows of a gradient, so that an image is cut by channels only.
  const int64_t groups = threads == 1 ? 1 : std::min(s.batch, 4 * threads);
  const int64_t cuts = std::max<int64_t>(1, std::min((threads + s.batch - 1) / s.batch, s.channels / kNarrowest));
  parallel(workers, static_cast<int>(groups * cuts), [&](int index) {
    const int64_t group = index / cuts, cut = index % cuts;
    const int64_t first = s.channels * cut / cuts, last = s.channels * (cut + 1) / cuts;
    for (int64_t image = s.batch * group / groups; image < s.batch * (group + 1) / groups; ++image) {
      pool(s, operands, {image, first, last - first});
    }
  });
}

}  // namespace everflow
