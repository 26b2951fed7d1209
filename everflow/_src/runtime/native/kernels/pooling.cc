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
// The place of an element that is padding.
constexpr int64_t kPadding = -1;

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

// The elements of one window: where their channels begin, counted in numbers from the beginning of the image.
struct Window {
  std::vector<int64_t> places;
  int64_t inside = 0;  // how many are no padding
};

// Where the window at `at` begins along `axis`; before the image where there is padding.
int64_t begin_of(const PoolingShape& s, const int64_t* at, int axis) {
  return at[axis] * s.stride[axis] - s.before[axis];
}

bool has_padding(const PoolingShape& s, const int64_t* at) {
  for (int i = 0; i < 3; ++i) {
    const int64_t begin = begin_of(s, at, i);
    if (begin < 0 || begin + s.window[i] > s.size[i]) return true;
  }
  return false;
}

// Collects the elements of the window at `at`. Only the gradient of a maximum asks where padding is: it equals a
// maximum that is -inf.
void collect(const PoolingShape& s, const int64_t* at, Window& window) {
  window.places.clear();
  window.inside = 0;
  const bool with_padding = s.kind == PoolingShape::kMaximumGradient;
  int64_t begin[3], first[3], last[3];
  for (int i = 0; i < 3; ++i) {
    begin[i] = begin_of(s, at, i);
    first[i] = with_padding ? 0 : std::max<int64_t>(0, -begin[i]);
    last[i] = with_padding ? s.window[i] : std::min(s.window[i], s.size[i] - begin[i]);
  }
  for (int64_t i = first[0]; i < last[0]; ++i) {
    for (int64_t j = first[1]; j < last[1]; ++j) {
      for (int64_t k = first[2]; k < last[2]; ++k) {
        const int64_t x = begin[0] + i, y = begin[1] + j, z = begin[2] + k;
        const bool inside = x >= 0 && x < s.size[0] && y >= 0 && y < s.size[1] && z >= 0 && z < s.size[2];
        window.places.push_back(inside ? ((x * s.size[1] + y) * s.size[2] + z) * s.channels : kPadding);
        window.inside += inside;
      }
    }
  }
}

// What is done to the channels of one window, a vector of them after the other: the elements of the window are gone
// through in registers. `Vector` is what the processor has, or a plain number for the last channels. All of it is
// inlined into functions that are compiled for one processor each: a vector that is wider than the processor's own
// becomes a loop over numbers where it is compared.
#define EVERFLOW_INLINE inline __attribute__((always_inline))
using Sixteen = float __attribute__((vector_size(64), aligned(4), may_alias));
using Eight = float __attribute__((vector_size(32), aligned(4), may_alias));
using Four = float __attribute__((vector_size(16), aligned(4), may_alias));

constexpr float kLowest = -std::numeric_limits<float>::infinity();

// A window: `count` places, relative to the memory that they are used with. The loops work on the channels
// [first, channels) as far as whole vectors go, and tell where they ended.
struct Elements {
  const int64_t* places;
  int64_t count;
};

template <typename Vector>
EVERFLOW_INLINE const Vector& at(const float* numbers) { return *reinterpret_cast<const Vector*>(numbers); }
template <typename Vector>
EVERFLOW_INLINE Vector& at(float* numbers) { return *reinterpret_cast<Vector*>(numbers); }

template <typename Vector>
EVERFLOW_INLINE int64_t take_maximum(Elements e, const float* from, int64_t first, int64_t channels, float* y) {
  constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);
  for (; first + kLanes <= channels; first += kLanes) {
    // NaNs are kept apart: GCC makes a loop over numbers of two conditions on one vector.
    Vector most = Vector{} + kLowest, nan = {};
    for (int64_t i = 0; i < e.count; ++i) {
      const Vector x = at<Vector>(from + e.places[i] + first);
      most = x > most ? x : most;
      nan = x != x ? x : nan;
    }
    at<Vector>(y + first) = nan != nan ? nan : most;
  }
  return first;
}

template <typename Vector>
EVERFLOW_INLINE int64_t take_average(Elements e, const float* from, int64_t first, int64_t channels, float* y) {
  constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);
  for (; first + kLanes <= channels; first += kLanes) {
    Vector sum = {};
    for (int64_t i = 0; i < e.count; ++i) sum += at<Vector>(from + e.places[i] + first);
    at<Vector>(y + first) = sum / static_cast<float>(e.count);
  }
  return first;
}

// The gradient goes to the first element that equals the maximum.
template <typename Vector>
EVERFLOW_INLINE int64_t give_to_first(Elements e, const float* from, int64_t first, int64_t channels, const float* y,
                                      const float* dy, bool positive, float* to) {
  constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);
  for (; first + kLanes <= channels; first += kLanes) {
    const Vector most = at<Vector>(y + first), nothing = {};
    Vector left = at<Vector>(dy + first);
    if (positive) left = most > nothing ? left : nothing;
    for (int64_t i = 0; i < e.count; ++i) {
      if (e.places[i] == kPadding) {
        left = most == kLowest ? nothing : left;
        continue;
      }
      const int64_t place = e.places[i] + first;
      const auto hit = at<Vector>(from + place) == most;
      at<Vector>(to + place) += hit ? left : nothing;
      left = hit ? nothing : left;
    }
  }
  return first;
}

template <typename Vector>
EVERFLOW_INLINE int64_t give_to_all(Elements e, int64_t first, int64_t channels, const float* dy, float* to) {
  constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);
  for (; first + kLanes <= channels; first += kLanes) {
    const Vector share = at<Vector>(dy + first) / static_cast<float>(e.count);
    for (int64_t i = 0; i < e.count; ++i) at<Vector>(to + e.places[i] + first) += share;
  }
  return first;
}

// The memory of one window: the elements relative to `from` and `to`, and what belongs to it as a whole.
struct Memory {
  const float* from;      // images
  const float* maximum;
  const float* gradient;  // of what was pooled
  float* to;              // the result
};

template <typename Vector>
EVERFLOW_INLINE int64_t pool_window(const PoolingShape& s, Elements e, const Memory& m, int64_t first,
                                    int64_t channels) {
  switch (s.kind) {
    case PoolingShape::kMaximum: return take_maximum<Vector>(e, m.from, first, channels, m.to);
    case PoolingShape::kAverage: return take_average<Vector>(e, m.from, first, channels, m.to);
    case PoolingShape::kMaximumGradient:
      return give_to_first<Vector>(e, m.from, first, channels, m.maximum, m.gradient, s.positive, m.to);
    default: return give_to_all<Vector>(e, first, channels, m.gradient, m.to);
  }
}

// The gradient of the images, made zero a few rows at a time: they are still in the cache when windows add to them.
class Zeros {
 public:
  Zeros(const PoolingShape& s, const Part& part, float* target) : s_(s), part_(part), target_(target) {}

  // Up to the last element that the row of windows at `at` reaches.
  void reach(const int64_t* at) {
    const auto end = [&](int axis) { return std::min(s_.size[axis], begin_of(s_, at, axis) + s_.window[axis]); };
    up_to(s_.size[0] > 1 ? end(0) * s_.size[1] * s_.size[2] : end(1) * s_.size[2]);
  }

  void all() { up_to(volume(s_.size)); }

 private:
  void up_to(int64_t end) {
    if (part_.count == s_.channels && end > done_) {
      std::memset(target_ + done_ * s_.channels, 0, (end - done_) * s_.channels * sizeof(float));
      done_ = end;
    }
    for (; done_ < end; ++done_) std::memset(target_ + done_ * s_.channels, 0, part_.count * sizeof(float));
  }

  const PoolingShape& s_;
  const Part& part_;
  float* target_;
  int64_t done_ = 0;
};

template <typename Widest>
EVERFLOW_INLINE void pool_part(const PoolingShape& s, const PoolingOperands& given, const Part& part) {
  const int64_t image = part.image * volume(s.size) * s.channels + part.first;
  int64_t pooled = part.image * volume(s.output) * s.channels + part.first;
  const float* images = given.images == nullptr ? nullptr : given.images + image;
  float* target = is_gradient(s) ? given.result + image : nullptr;
  Zeros zeros(s, part, target);
  // Windows without padding differ by where they begin only.
  Window first, own;
  bool has_first = false;
  int64_t first_begin = 0;
  int64_t at[3];
  for (at[0] = 0; at[0] < s.output[0]; ++at[0]) {
    for (at[1] = 0; at[1] < s.output[1]; ++at[1]) {
      if (is_gradient(s)) zeros.reach(at);
      for (at[2] = 0; at[2] < s.output[2]; ++at[2], pooled += s.channels) {
        const bool padded = has_padding(s, at);
        if (padded) {
          collect(s, at, own);
        } else if (!has_first) {
          collect(s, at, first);
          has_first = true;
          first_begin = first.places[0];
        }
        const Window& window = padded ? own : first;
        int64_t shift = 0;
        if (!padded) {
          const int64_t row = begin_of(s, at, 0) * s.size[1] + begin_of(s, at, 1);
          shift = (row * s.size[2] + begin_of(s, at, 2)) * s.channels - first_begin;
        }
        const Elements elements{window.places.data(), static_cast<int64_t>(window.places.size())};
        const Memory memory{images + shift, given.maxima + pooled, given.gradient + pooled,
                            is_gradient(s) ? target + shift : given.result + pooled};
        int64_t done = pool_window<Widest>(s, elements, memory, 0, part.count);
        if (sizeof(Widest) > sizeof(Four)) done = pool_window<Four>(s, elements, memory, done, part.count);
        pool_window<float>(s, elements, memory, done, part.count);
      }
    }
  }
  if (is_gradient(s)) zeros.all();
}

void pool_with_four(const PoolingShape& s, const PoolingOperands& given, const Part& part) {
  pool_part<Four>(s, given, part);
}

#ifdef EVERFLOW_HAS_VECTORS
__attribute__((target("avx2"))) void pool_with_eight(const PoolingShape& s, const PoolingOperands& given,
                                                     const Part& part) {
  pool_part<Eight>(s, given, part);
}

__attribute__((target("avx512f"))) void pool_with_sixteen(const PoolingShape& s, const PoolingOperands& given,
                                                          const Part& part) {
  pool_part<Sixteen>(s, given, part);
}
#endif

auto* widest_pool() {
#ifdef EVERFLOW_HAS_VECTORS
  if (__builtin_cpu_supports("avx512f")) return pool_with_sixteen;
  if (__builtin_cpu_supports("avx2")) return pool_with_eight;
#endif
  return pool_with_four;
}

}  // namespace

PoolingShape PoolingShape::parse(const int64_t* numbers, int64_t count) {
  static_assert(sizeof(PoolingShape) == kNumbers * sizeof(int64_t), "the record is its numbers");
  require(count == kNumbers, "the description is incomplete");
  PoolingShape s;
  std::memcpy(&s, numbers, sizeof(s));
  require(s.kind >= 0 && s.kind <= 3, "unknown kind");
  require(s.positive == 0 || (s.positive == 1 && s.kind == kMaximumGradient),
          "only the gradient of a maximum asks whether it is positive");
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
  const auto pool = widest_pool();
  parallel(workers, static_cast<int>(groups * cuts), [&](int index) {
    const int64_t group = index / cuts, cut = index % cuts;
    const int64_t first = s.channels * cut / cuts, last = s.channels * (cut + 1) / cuts;
    for (int64_t image = s.batch * group / groups; image < s.batch * (group + 1) / groups; ++image) {
      pool(s, operands, {image, first, last - first});
    }
  });
}

}  // namespace everflow
