#include "convolution.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <mutex>
#include <vector>

#include "cache.h"
#include "dnnl_api.h"
#include "kept_filters.h"
#include "scratch.h"
#include "vectors.h"

namespace everflow {

namespace {

constexpr int64_t kLargestExtent = int64_t{1} << 31;
constexpr double kMostElements = 1e12;
// oneDNN counts in 32 bits: channels and sizes, also times the size of a block and of a number, and what one image or
// the filters hold. Beyond that it divides by zero, or worse.
constexpr int64_t kLargestSize = int64_t{1} << 22;
constexpr double kMostOfOneImage = 1e9;
// Less work than this is done before a second thread has woken up.
constexpr double kWorthASecondThread = 2e6;

int64_t product(int64_t first, const int64_t* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) first *= values[i];
  return first;
}

int64_t reach(const ConvolutionShape& shape, int i) { return (shape.window[i] - 1) * shape.dilation[i] + 1; }

int64_t after(const ConvolutionShape& shape, int i) {
  return (shape.output[i] - 1) * shape.stride[i] + reach(shape, i) - shape.size[i] - shape.before[i];
}

size_t element_bytes(const ConvolutionShape& shape) { return shape.type == 1 ? 2 : 4; }

void require(bool condition, const char* message) {
  if (!condition) throw Failure(std::string("convolution: ") + message);
}

}  // namespace

ConvolutionShape ConvolutionShape::parse(const int64_t* numbers, int64_t count) {
  static_assert(sizeof(ConvolutionShape) == kNumbers * sizeof(int64_t), "the record is its numbers");
  require(count == kNumbers, "the description is incomplete");
  ConvolutionShape s;
  std::memcpy(&s, numbers, sizeof(s));
  require(s.kind >= 0 && s.kind <= 2, "unknown kind");
  require(s.type == 0 || s.type == 1, "unknown type");
  require(s.dims >= 1 && s.dims <= 3, "one to three spatial dimensions are needed");
  require(s.bias == 0 || (s.bias == 1 && s.kind == kForward), "a bias belongs to the forward convolution");
  for (int64_t flag : {s.affine, s.addend}) {
    require(flag == 0 || (flag == 1 && s.kind == kForward && s.type == 0),
            "what comes behind belongs to the forward convolution in single precision");
  }
  require(s.versioned == 0 || (s.versioned > 0 && s.kind == kForward),
          "versions are of the forward convolution's filters");
  require(s.relu == 0 || (s.relu == 1 && s.kind == kForward && s.type == 0),
          "a rectifier belongs to the forward convolution in single precision");
  for (int64_t extent : {s.batch, s.in_channels, s.out_channels, s.groups}) {
    require(extent > 0 && extent < kLargestExtent, "an extent is out of range");
  }
  require(std::max({s.in_channels, s.out_channels, s.groups}) <= kLargestSize, "too many channels");
  require(s.in_channels % s.groups == 0 && s.out_channels % s.groups == 0, "channels are no multiple of groups");
  double elements = static_cast<double>(s.batch) * std::max(s.in_channels, s.out_channels);
  double weights = static_cast<double>(s.in_channels / s.groups) * s.out_channels;
  double results = elements;
  for (int i = 0; i < s.dims; ++i) {
    for (int64_t extent : {s.size[i], s.window[i], s.output[i], s.stride[i], s.dilation[i]}) {
      require(extent > 0 && extent <= kLargestSize, "an extent is out of range");
    }
    require(s.window[i] * s.dilation[i] <= kLargestSize && s.output[i] * s.stride[i] <= kLargestSize,
            "an extent is out of range");
    require(s.before[i] >= 0 && s.before[i] < reach(s, i), "padding is wider than the window");
    require(after(s, i) < reach(s, i) && after(s, i) > -s.stride[i], "sizes contradict each other");
    elements *= s.size[i];
    results *= s.output[i];
    weights *= s.window[i];
  }
  require(std::max({elements, results, weights}) < kMostElements, "too many elements");
  require(std::max({elements / s.batch, results / s.batch, weights}) < kMostOfOneImage, "too many elements");
  return s;
}

int64_t ConvolutionShape::image_elements() const { return product(batch * in_channels, size, dims); }
int64_t ConvolutionShape::filter_elements() const { return product(in_channels / groups * out_channels, window, dims); }
int64_t ConvolutionShape::result_elements() const { return product(batch * out_channels, output, dims); }

std::array<int64_t, 3> ConvolutionShape::operand_elements() const {
  std::array<int64_t, 3> elements = {image_elements(), filter_elements(), result_elements()};
  if (kind == kByData) std::swap(elements[0], elements[2]);
  if (kind == kByWeights) std::swap(elements[1], elements[2]);
  return elements;
}

namespace {

// A convolution as oneDNN has it: the primitive, and how the caller's filters and the primitive's own lie.
struct Plan {
  std::unique_ptr<Primitive> primitive;
  MemoryDesc image, result, plain_filter, bias;
  const_dnnl_memory_desc_t filter;  // the layout that the primitive chose
};

dnnl_data_type_t type_of(const ConvolutionShape& s) { return s.type == 1 ? dnnl_bf16 : dnnl_f32; }

// [batch, channels, rows...], the channels last in memory.
MemoryDesc image_desc(const ConvolutionShape& s, int64_t channels, const int64_t* extents) {
  int64_t sizes[5] = {s.batch, channels}, strides[5];
  int count = static_cast<int>(s.dims) + 2;
  int64_t step = channels;
  for (int i = count - 1; i >= 2; --i) {
    sizes[i] = extents[i - 2];
    strides[i] = step;
    step *= sizes[i];
  }
  strides[0] = step;
  strides[1] = 1;
  return describe(count, sizes, type_of(s), strides);
}

// [groups, out, in, window...]; in memory [window..., in, groups * out], or as oneDNN likes. `width`: how many output
// channels lie there, of which these are some.
MemoryDesc filter_desc(const ConvolutionShape& s, dnnl_data_type_t type, bool plain, int64_t width = 0) {
  int64_t sizes[6], strides[6];
  int count = 0;
  const int64_t in = s.in_channels / s.groups, out = s.out_channels / s.groups;
  if (s.groups > 1) {
    sizes[count] = s.groups;
    strides[count++] = out;
  }
  sizes[count] = out;
  strides[count++] = 1;
  sizes[count] = in;
  if (width == 0) width = s.out_channels;
  strides[count++] = width;
  int64_t step = width * in;
  for (int i = static_cast<int>(s.dims) - 1; i >= 0; --i) {
    sizes[count + i] = s.window[i];
    strides[count + i] = step;
    step *= s.window[i];
  }
  return describe(count + static_cast<int>(s.dims), sizes, type, plain ? strides : nullptr);
}

// The last block of channels is computed as if it were full. Where vectors of 256 bits are as fast as longer ones,
// they are faster if that makes the blocks less than this part of what they are.
constexpr double kNarrower = 0.95;

bool wants_narrow_vectors(const ConvolutionShape& s) {
  if (s.type != 0 || s.groups != 1 || s.kind != ConvolutionShape::kForward || !has_halved_vectors()) return false;
  const auto in_blocks = [&](int64_t size) { return static_cast<double>((s.out_channels + size - 1) / size * size); };
  return in_blocks(8) < kNarrower * in_blocks(16);
}

// Goes on to oneDNN's blocked kernel for vectors of 256 bits; false, with `desc` used up, where there is none.
bool advance_to_narrow(dnnl_primitive_desc_t desc) {
  const DnnlApi& api = dnnl();
  for (;;) {
    const char* name = nullptr;
    check(api.dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name), "convolution");
    if (std::string(name) == "brgconv:avx2") return true;
    if (api.dnnl_primitive_desc_next_impl(desc) != dnnl_success) return false;
  }
}

std::shared_ptr<const Plan> make_plan(const ConvolutionShape& s) {
  OnThisThread single;
  std::lock_guard<std::mutex> lock(making_primitives());
  auto plan = std::make_shared<Plan>();
  // Gradients of filters are summed over pieces in single precision.
  const dnnl_data_type_t gradient_type = s.kind == ConvolutionShape::kByWeights ? dnnl_f32 : type_of(s);
  plan->image = image_desc(s, s.in_channels, s.size);
  plan->result = image_desc(s, s.out_channels, s.output);
  plan->plain_filter = filter_desc(s, type_of(s), true);
  MemoryDesc any = filter_desc(s, gradient_type, false);
  int64_t stride[3], dilation[3], before[3], behind[3];
  for (int i = 0; i < s.dims; ++i) {
    stride[i] = s.stride[i];
    dilation[i] = s.dilation[i] - 1;
    before[i] = s.before[i];
    behind[i] = after(s, i);
  }
  const DnnlApi& api = dnnl();
  Attributes attributes;
  dnnl_primitive_desc_t forward = nullptr, desc = nullptr;
  if (s.bias) {
    const int64_t stride_of_one = 1;
    plan->bias = describe(1, &s.out_channels, type_of(s), &stride_of_one);
  }
  MemoryDesc forward_filter = filter_desc(s, type_of(s), false);
  const auto describe_forward = [&] {
    check(api.dnnl_convolution_forward_primitive_desc_create(
              &forward, api.engine,
              s.kind == ConvolutionShape::kForward ? dnnl_forward_inference : dnnl_forward_training,
              dnnl_convolution_direct, plan->image.get(), forward_filter.get(), plan->bias.get(), plan->result.get(),
              stride, dilation, before, behind, attributes.get()),
          "convolution");
  };
  describe_forward();
  if (wants_narrow_vectors(s) && !advance_to_narrow(forward)) {
    api.dnnl_primitive_desc_destroy(forward);
    describe_forward();
  }
  if (s.kind == ConvolutionShape::kForward) {
    desc = forward;
  } else {
    // The forward convolution is a hint of oneDNN's interface.
    dnnl_status_t status =
        s.kind == ConvolutionShape::kByData
            ? api.dnnl_convolution_backward_data_primitive_desc_create(
                  &desc, api.engine, dnnl_convolution_direct, plan->image.get(), any.get(), plan->result.get(), stride,
                  dilation, before, behind, forward, attributes.get())
            : api.dnnl_convolution_backward_weights_primitive_desc_create(
                  &desc, api.engine, dnnl_convolution_direct, plan->image.get(), any.get(), nullptr,
                  plan->result.get(), stride, dilation, before, behind, forward, attributes.get());
    api.dnnl_primitive_desc_destroy(forward);
    check(status, "convolution");
  }
  plan->primitive = std::make_unique<Primitive>(desc);
  plan->filter = plan->primitive->query(
      s.kind == ConvolutionShape::kByWeights ? dnnl_query_diff_weights_md : dnnl_query_weights_md);
  return plan;
}

// oneDNN's reference loops are for checking results, its products of unrolled images slower than XLA's.
bool is_slow(const std::string& name) {
  return name.rfind("ref", 0) == 0 || name.rfind("gemm", 0) == 0 || name.rfind("simple", 0) == 0;
}

// Without what is not oneDNN's.
ConvolutionShape plain(ConvolutionShape shape) {
  shape.relu = shape.affine = shape.addend = shape.versioned = 0;
  return shape;
}

std::shared_ptr<const Plan> plan_for(const ConvolutionShape& shape) {
  // Lives as long as the process: threads may still be at work when statics die.
  static auto* plans = new Cache<ConvolutionShape, Plan>;
  const ConvolutionShape key = plain(shape);
  return plans->get(key, [&] { return make_plan(key); });
}

// Results of about this many bytes stay in the cache of a core until what comes behind them is done.
constexpr int64_t kBlockBytes = 256 << 10;

// A part of a convolution that is done in one go: some images, or some rows of one image.
struct Piece {
  ConvolutionShape shape;
  int64_t image_offset;   // elements
  int64_t result_offset;  // elements
  std::shared_ptr<const Plan> plan;
};

// `rows` [first, last) of the output (by data: of the image) of the images that `piece` holds.
bool cut_rows(Piece& piece, int64_t first, int64_t last) {
  ConvolutionShape& s = piece.shape;
  const int64_t window = reach(s, 0), stride = s.stride[0], before = s.before[0];
  int64_t image_first, image_last, result_first, result_last;
  if (s.kind == ConvolutionShape::kByData) {
    image_first = first;
    image_last = last;
    const int64_t lowest = first + before - (window - 1);
    result_first = lowest <= 0 ? 0 : (lowest + stride - 1) / stride;
    result_last = std::min(s.output[0], (last - 1 + before) / stride + 1);
  } else {
    result_first = first;
    result_last = last;
    image_first = std::max<int64_t>(0, first * stride - before);
    image_last = std::min(s.size[0], (last - 1) * stride - before + window);
  }
  if (image_first >= image_last || result_first >= result_last) return false;
  s.before[0] = before + image_first - result_first * stride;
  s.size[0] = image_last - image_first;
  s.output[0] = result_last - result_first;
  piece.image_offset += image_first * product(s.in_channels, s.size + 1, s.dims - 1);
  piece.result_offset += result_first * product(s.out_channels, s.output + 1, s.dims - 1);
  return s.before[0] >= 0 && s.before[0] < window && after(s, 0) < window && after(s, 0) > -stride;
}

// Whether something comes behind the convolution that oneDNN does not do.
bool is_worked_on(const ConvolutionShape& shape) { return shape.relu == 1 || shape.affine == 1 || shape.addend == 1; }

// Bytes of one image of the result, and how many blocks of it stay in the cache.
int64_t image_bytes(const ConvolutionShape& shape) { return shape.result_elements() / shape.batch * 4; }
int64_t blocks_of(const ConvolutionShape& shape) { return std::max<int64_t>(1, image_bytes(shape) / kBlockBytes); }

std::vector<Piece> cut(const ConvolutionShape& shape, int threads) {
  std::vector<Piece> pieces;
  const double work = 2.0 * shape.result_elements() * shape.filter_elements() / shape.out_channels;
  threads = static_cast<int>(std::min<double>(threads, 1 + work / kWorthASecondThread));
  if (shape.batch < threads) {
    const int64_t rows = shape.kind == ConvolutionShape::kByData ? shape.size[0] : shape.output[0];
    int64_t per_image = (threads + shape.batch - 1) / shape.batch;
    if (is_worked_on(shape)) per_image = std::max(per_image, blocks_of(shape));
    per_image = std::min(per_image, rows);
    bool fits = per_image > 1;
    for (int64_t image = 0; image < shape.batch && fits; ++image) {
      for (int64_t i = 0; i < per_image && fits; ++i) {
        Piece piece{shape, 0, 0, nullptr};
        piece.shape.batch = 1;
        piece.image_offset = image * (shape.image_elements() / shape.batch);
        piece.result_offset = image * (shape.result_elements() / shape.batch);
        fits = cut_rows(piece, rows * i / per_image, rows * (i + 1) / per_image);
        pieces.push_back(piece);
      }
    }
    if (fits) return pieces;
    pieces.clear();
  }
  int64_t count = std::max<int64_t>(1, std::min<int64_t>(threads, shape.batch));
  if (is_worked_on(shape)) {
    // More pieces than threads; equal ones share a primitive.
    const int64_t images = std::max<int64_t>(1, kBlockBytes / image_bytes(shape));
    count = std::max(count, (shape.batch + images - 1) / images);
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t first = shape.batch * i / count;
    Piece piece{shape, 0, 0, nullptr};
    piece.shape.batch = shape.batch * (i + 1) / count - first;
    piece.image_offset = first * (shape.image_elements() / shape.batch);
    piece.result_offset = first * (shape.result_elements() / shape.batch);
    pieces.push_back(piece);
  }
  return pieces;
}

std::vector<Piece> planned(const ConvolutionShape& shape, int threads) {
  std::vector<Piece> pieces = cut(shape, threads);
  try {
    for (Piece& piece : pieces) piece.plan = plan_for(piece.shape);
  } catch (const Failure&) {
    // What was asked before was for as many threads as we have; XLA may have more, and smaller pieces not be taken.
    if (threads == 1) throw;
    return planned(shape, 1);
  }
  return pieces;
}

char* at(const void* base, int64_t offset, const ConvolutionShape& shape) {
  return static_cast<char*>(const_cast<void*>(base)) + offset * element_bytes(shape);
}

// What comes behind the convolution, done to one piece of its result while that is in the cache.
void work_on(const Piece& piece, const ConvolutionShape& shape, const ChannelTerms& behind, float* result) {
  float* numbers = result + piece.result_offset;
  const int64_t count = piece.shape.result_elements(), channels = shape.out_channels;
  const float* addend = behind.addend == nullptr ? nullptr : behind.addend + piece.result_offset;
  if (shape.affine) {
    ChannelTerms terms = behind;
    terms.x = numbers;
    terms.addend = addend;
    affine_rows(terms, 0, count / channels, channels, shape.relu == 1, numbers);
    return;
  }
  if (addend != nullptr) add(addend, count, numbers);
  if (shape.relu) rectify(numbers, count);
}

// Filters of fewer bytes are brought into another layout before a second thread has woken up.
constexpr size_t kManyFilterBytes = 256 << 10;
// Layouts are cut between output channels, at multiples of what oneDNN's blocks hold.
constexpr int64_t kChannelBlock = 64;

// How output channels of the caller's filters come into the layout of a plan.
struct Arrangement {
  std::unique_ptr<Primitive> primitive;  // null where the layouts do not come apart there
  MemoryDesc from, to;
};

// `first` and `last`: the output channels. `width`: how many the caller's filters have; the plan's may be fewer, and
// are then all taken, wherever the caller's begin.
struct ArrangementKey {
  ConvolutionShape shape;
  int64_t width, first, last;
};

std::shared_ptr<const Arrangement> make_arrangement(const ArrangementKey& key, const Plan& plan) {
  OnThisThread single;
  std::lock_guard<std::mutex> lock(making_primitives());
  auto made = std::make_shared<Arrangement>();
  const ConvolutionShape& s = key.shape;
  if (key.last - key.first == s.out_channels) {
    made->from = filter_desc(s, type_of(s), true, key.width);
    made->to = clone(plan.filter);
  } else {
    int64_t sizes[5] = {s.out_channels, s.in_channels};
    std::copy(s.window, s.window + s.dims, sizes + 2);
    const int dimensions = static_cast<int>(s.dims) + 2;
    made->from = part_of(plan.plain_filter.get(), dimensions, sizes, 0, key.first, key.last);
    made->to = part_of(plan.filter, dimensions, sizes, 0, key.first, key.last);
    if (made->from == nullptr || made->to == nullptr) return made;
  }
  made->primitive = make_reorder(made->from.get(), made->to.get());
  return made;
}

std::shared_ptr<const Arrangement> arrangement_for(ArrangementKey key, const Plan& plan) {
  static auto* arrangements = new Cache<ArrangementKey, Arrangement>;  // as long as the process, like the plans
  key.shape = plain(key.shape);
  return arrangements->get(key, [&] { return make_arrangement(key, plan); });
}

// Names a version of filters, what they are arranged for, and the output channel at which the plan's begin; empty for
// version 0, of which nothing is known.
std::string name_of(int64_t version, ArrangementKey key, int64_t first) {
  if (version == 0) return "";
  key.shape = plain(key.shape);
  return std::to_string(version) + "/" + std::to_string(first) + "/" +
         std::string(reinterpret_cast<const char*>(&key), sizeof(key));
}

void arrange(const Arrangement& how, const void* filters, void* arranged) {
  Argument arguments[] = {{DNNL_ARG_FROM, how.from.get(), const_cast<void*>(filters)},
                          {DNNL_ARG_TO, how.to.get(), arranged}};
  execute(*how.primitive, arguments, 2);
}

// The caller's filters in the layout that the plan of `shape` wants.
void arrange_filters(Workers& workers, const ConvolutionShape& shape, const Plan& plan, const void* filters,
                     void* arranged) {
  const int64_t blocks = shape.out_channels / kChannelBlock;
  const int64_t parts = std::min<int64_t>(workers.count(), blocks);
  const bool many = dnnl().dnnl_memory_desc_get_size(plan.filter) >= kManyFilterBytes;
  if (shape.groups == 1 && many && parts > 1) {
    std::vector<std::shared_ptr<const Arrangement>> how(parts);
    for (int64_t i = 0; i < parts; ++i) {
      const int64_t last = i + 1 == parts ? shape.out_channels : blocks * (i + 1) / parts * kChannelBlock;
      how[i] = arrangement_for({shape, shape.out_channels, blocks * i / parts * kChannelBlock, last}, plan);
    }
    if (std::all_of(how.begin(), how.end(), [](const auto& part) { return part->primitive != nullptr; })) {
      parallel(workers, static_cast<int>(parts), [&](int i) { arrange(*how[i], filters, arranged); });
      return;
    }
  }
  OnThisThread single;
  arrange(*arrangement_for({shape, shape.out_channels, 0, shape.out_channels}, plan), filters, arranged);
}

void run_with_filters(Workers& workers, const ConvolutionShape& shape, const std::vector<Piece>& pieces,
                      const void* a, const void* filters, const void* bias, const ChannelTerms& behind, void* result,
                      int64_t version) {
  // The pieces nearly always like the same layout of the filters, so they are brought into it once.
  const Plan& first = *pieces[0].plan;
  const bool in_place = dnnl().dnnl_memory_desc_equal(first.filter, first.plain_filter.get()) != 0;
  std::shared_ptr<const Scratch> shared;
  if (!in_place) {
    const ConvolutionShape& part = pieces[0].shape;
    shared = arranged_filters(name_of(version, {part, part.out_channels, 0, part.out_channels}, 0),
                              dnnl().dnnl_memory_desc_get_size(first.filter), [&](void* arranged) {
                                arrange_filters(workers, part, first, filters, arranged);
                              });
  }
  const bool forward = shape.kind == ConvolutionShape::kForward;
  parallel(workers, static_cast<int>(pieces.size()), [&](int index) {
    const Piece& piece = pieces[index];
    const Plan& plan = *piece.plan;
    const void* ordered = in_place ? filters : shared->data();
    const bool same = dnnl().dnnl_memory_desc_equal(plan.filter, first.filter) != 0;
    Scratch own(same ? 0 : dnnl().dnnl_memory_desc_get_size(plan.filter));
    if (!same) {
      reorder(plan.plain_filter.get(), filters, plan.filter, own.data());
      ordered = own.data();
    }
    void* weights = const_cast<void*>(ordered);
    if (forward) {
      Argument arguments[] = {{DNNL_ARG_SRC, plan.image.get(), at(a, piece.image_offset, shape)},
                              {DNNL_ARG_WEIGHTS, plan.filter, weights},
                              {DNNL_ARG_DST, plan.result.get(), at(result, piece.result_offset, shape)},
                              {DNNL_ARG_BIAS, plan.bias.get(), const_cast<void*>(bias)}};
      execute(*plan.primitive, arguments, shape.bias ? 4 : 3);
      if (is_worked_on(shape)) work_on(piece, shape, behind, static_cast<float*>(result));
    } else {
      Argument arguments[] = {{DNNL_ARG_DIFF_DST, plan.result.get(), at(a, piece.result_offset, shape)},
                              {DNNL_ARG_WEIGHTS, plan.filter, weights},
                              {DNNL_ARG_DIFF_SRC, plan.image.get(), at(result, piece.image_offset, shape)}};
      execute(*plan.primitive, arguments, 3);
    }
  });
}

// Filters that are much larger than the images are read but once if every piece has output channels of its own: they
// are arranged and used while they are in the cache of a core.
constexpr size_t kFilterBlockBytes = size_t{1200} << 10;
constexpr double kMuchLarger = 2.5;

// How many output channels a piece has; 0 where images or rows are cut.
int64_t channels_of_pieces(const ConvolutionShape& s, int threads) {
  const int64_t filter_bytes = s.filter_elements() * static_cast<int64_t>(element_bytes(s));
  if (s.kind != ConvolutionShape::kForward || s.groups != 1 || threads < 2 || s.out_channels % kChannelBlock != 0 ||
      s.out_channels < 2 * kChannelBlock || filter_bytes < static_cast<int64_t>(kManyFilterBytes) ||
      s.filter_elements() < kMuchLarger * (s.image_elements() + s.result_elements())) {
    return 0;
  }
  const int64_t blocks = s.out_channels / kChannelBlock;
  const int64_t pieces = std::max<int64_t>(threads, filter_bytes / static_cast<int64_t>(kFilterBlockBytes));
  return std::max<int64_t>(1, blocks / pieces) * kChannelBlock;
}

// Output channels [first, first + count) of a convolution.
struct ChannelPiece {
  int64_t first, count;
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<const Arrangement> arrangement;
};

// Nothing where oneDNN has no good kernel for a piece.
std::vector<ChannelPiece> cut_channels(const ConvolutionShape& shape, int threads) {
  std::vector<ChannelPiece> pieces;
  const int64_t channels = channels_of_pieces(shape, threads);
  if (channels == 0) return pieces;
  try {
    for (int64_t first = 0; first < shape.out_channels; first += channels) {
      ConvolutionShape part = shape;
      part.out_channels = std::min(channels, shape.out_channels - first);
      std::shared_ptr<const Plan> plan = plan_for(part);
      if (is_slow(plan->primitive->name)) return {};
      pieces.push_back({first, part.out_channels, plan,
                        arrangement_for({part, shape.out_channels, 0, part.out_channels}, *plan)});
    }
  } catch (const Failure&) {
    return {};
  }
  return pieces;
}

void run_by_channels(Workers& workers, const ConvolutionShape& shape, const std::vector<ChannelPiece>& pieces,
                     const void* images, const void* filters, const void* bias, const ChannelTerms& behind,
                     void* result, int64_t version) {
  const size_t bytes = element_bytes(shape);
  const int64_t places = shape.result_elements() / shape.out_channels;
  parallel(workers, static_cast<int>(pieces.size()), [&](int i) {
    const Plan& plan = *pieces[i].plan;
    const int64_t first = pieces[i].first, count = pieces[i].count;
    ConvolutionShape part = shape;
    part.out_channels = count;
    const std::shared_ptr<const Scratch> arranged = arranged_filters(
        name_of(version, {part, shape.out_channels, 0, count}, first), dnnl().dnnl_memory_desc_get_size(plan.filter),
        [&](void* target) { arrange(*pieces[i].arrangement, at(filters, first, shape), target); });
    Scratch own(places * count * bytes);
    Argument arguments[] = {{DNNL_ARG_SRC, plan.image.get(), const_cast<void*>(images)},
                            {DNNL_ARG_WEIGHTS, plan.filter, arranged->data()},
                            {DNNL_ARG_DST, plan.result.get(), own.data()},
                            {DNNL_ARG_BIAS, plan.bias.get(), shape.bias ? at(bias, first, shape) : nullptr}};
    execute(*plan.primitive, arguments, shape.bias ? 4 : 3);
    for (int64_t place = 0; place < places; ++place) {
      std::memcpy(at(result, place * shape.out_channels + first, shape),
                  static_cast<const char*>(own.data()) + place * count * bytes, count * bytes);
    }
  });
  if (!is_worked_on(shape)) return;
  const int64_t blocks = std::min<int64_t>(workers.count(), places);
  parallel(workers, static_cast<int>(blocks), [&](int i) {
    const int64_t first = places * i / blocks;
    Piece piece{shape, 0, first * shape.out_channels, nullptr};
    piece.shape.batch = piece.shape.dims = 1;  // some places, as if they were one image of one row
    piece.shape.output[0] = places * (i + 1) / blocks - first;
    work_on(piece, shape, behind, static_cast<float*>(result));
  });
}

void run_by_weights(Workers& workers, const ConvolutionShape& shape, const std::vector<Piece>& pieces,
                    const void* images, const void* gradient, void* result) {
  // Every piece sums over its own images, or rows; the sums are added up in the order of the pieces, so that the
  // result is the same bits every time.
  std::vector<Scratch> sums;
  for (const Piece& piece : pieces) sums.emplace_back(dnnl().dnnl_memory_desc_get_size(piece.plan->filter));
  parallel(workers, static_cast<int>(pieces.size()), [&](int index) {
    const Plan& plan = *pieces[index].plan;
    Argument arguments[] = {
        {DNNL_ARG_SRC, plan.image.get(), at(images, pieces[index].image_offset, shape)},
        {DNNL_ARG_DIFF_DST, plan.result.get(), at(gradient, pieces[index].result_offset, shape)},
        {DNNL_ARG_DIFF_WEIGHTS, plan.filter, sums[index].data()}};
    execute(*plan.primitive, arguments, 3);
  });
  OnThisThread single;
  const Plan& first = *pieces[0].plan;
  const size_t count = dnnl().dnnl_memory_desc_get_size(first.filter) / sizeof(float);
  float* total = sums[0].floats();
  for (size_t index = 1; index < pieces.size(); ++index) {
    const Plan& plan = *pieces[index].plan;
    const float* sum = sums[index].floats();
    Scratch moved(0);
    if (dnnl().dnnl_memory_desc_equal(plan.filter, first.filter) == 0) {
      moved = Scratch(dnnl().dnnl_memory_desc_get_size(first.filter));
      reorder(plan.filter, sum, first.filter, moved.data());
      sum = moved.floats();
    }
    add(sum, static_cast<int64_t>(count), total);
  }
  reorder(first.filter, total, first.plain_filter.get(), result);
}

}  // namespace

std::string convolution_implementation(const ConvolutionShape& shape) {
  std::string name;
  try {
    for (const Piece& piece : cut(shape, own_workers().count())) {
      name = plan_for(piece.shape)->primitive->name;
      if (is_slow(name)) return "";
    }
  } catch (const Failure&) {
    return "";  // oneDNN refuses it
  }
  return name;
}

void convolution(Workers& workers, const ConvolutionShape& shape, const void* a, const void* b, const void* bias,
                 const ChannelTerms& behind, void* result, int64_t version) {
  if (shape.kind == ConvolutionShape::kByWeights) {
    run_by_weights(workers, shape, planned(shape, workers.count()), a, b, result);
    return;
  }
  const std::vector<float> ones(shape.affine && shape.addend ? shape.out_channels : 0, 1.0f);
  ChannelTerms terms = behind;
  if (!ones.empty()) terms.addend_factor = ones.data();
  const std::vector<ChannelPiece> by_channels = cut_channels(shape, workers.count());
  if (by_channels.empty()) {
    run_with_filters(workers, shape, planned(shape, workers.count()), a, b, bias, terms, result, version);
  } else {
    run_by_channels(workers, shape, by_channels, a, b, bias, terms, result, version);
  }
}

}  // namespace everflow
