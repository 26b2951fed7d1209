// Entry points for Python's ctypes: plain C, on plain memory. Each returns 0, or writes a message and returns 1.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "convolution.h"
#include "dnnl_api.h"
#include "kept_filters.h"
#include "pooling.h"
#include "product.h"
#include "recurrent.h"
#include "scratch.h"
#include "workers.h"

namespace {

constexpr int kMessageBytes = 256;

void write_text(const char* text, char* target) {
  std::strncpy(target, text, kMessageBytes - 1);
  target[kMessageBytes - 1] = 0;
}

template <typename Work>
int guarded(char* message, Work work) {
  try {
    work();
    return 0;
  } catch (const std::exception& failure) {
    write_text(failure.what(), message);
  } catch (...) {
    write_text("unknown failure", message);
  }
  return 1;
}

void require_bytes(int64_t expected, int64_t received, const char* what) {
  if (expected != received) throw everflow::Failure(std::string(what) + " has another size than its shape says");
}

}  // namespace

extern "C" {

int everflow_load(const char* path, char* message) {
  return guarded(message, [&] { everflow::load_dnnl(path); });
}

// oneDNN's version; zeros before it is loaded.
void everflow_version(int* major, int* minor, int* patch) {
  *major = *minor = *patch = 0;
  char message[kMessageBytes];
  guarded(message, [&] {
    const dnnl_version_t* version = everflow::dnnl().dnnl_version();
    *major = version->major;
    *minor = version->minor;
    *patch = version->patch;
  });
}

int everflow_convolution_implementation(const int64_t* numbers, int64_t count, char* name) {
  return guarded(name, [&] {
    const auto shape = everflow::ConvolutionShape::parse(numbers, count);
    write_text(everflow::convolution_implementation(shape).c_str(), name);
  });
}

// `sizes`: bytes of a, b, the bias (0 without one) and the result.
int everflow_convolution(const int64_t* numbers, int64_t count, const void* a, const void* b, const void* bias,
                         void* result, const int64_t* sizes, char* message) {
  return guarded(message, [&] {
    using everflow::ConvolutionShape;
    const auto shape = ConvolutionShape::parse(numbers, count);
    const int64_t bytes = shape.type == 1 ? 2 : 4;
    const auto expected = shape.operand_elements();
    require_bytes(expected[0] * bytes, sizes[0], "the first operand");
    require_bytes(expected[1] * bytes, sizes[1], "the second operand");
    require_bytes(shape.bias * shape.out_channels * bytes, sizes[2], "the bias");
    require_bytes(expected[2] * bytes, sizes[3], "the result");
    if (shape.affine || shape.addend) throw everflow::Failure("convolution: what comes behind is for compiled programs");
    everflow::convolution(everflow::own_workers(), shape, a, b, bias, {}, result);
  });
}

int everflow_product_implementation(const int64_t* numbers, int64_t count, char* name) {
  return guarded(name, [&] {
    const auto shape = everflow::ProductShape::parse(numbers, count);
    write_text(everflow::product_implementation(shape).c_str(), name);
  });
}

// `sizes`: bytes of the operands, the bias and the features (0 for what the shape does not name) and the result.
int everflow_product(const int64_t* numbers, int64_t count, const void* a, const void* b, const float* bias,
                     const float* positive, void* result, const int64_t* sizes, char* message) {
  return guarded(message, [&] {
    const auto shape = everflow::ProductShape::parse(numbers, count);
    const int64_t bytes = (shape.type == 1 ? 2 : 4) * shape.count;
    require_bytes(shape.rows * shape.inner * bytes, sizes[0], "the first operand");
    require_bytes(shape.inner * shape.columns * bytes, sizes[1], "the second operand");
    require_bytes(shape.bias ? shape.columns * bytes : 0, sizes[2], "the bias");
    require_bytes(shape.positive ? shape.rows * shape.columns * bytes : 0, sizes[3], "the features");
    require_bytes(shape.rows * shape.columns * bytes, sizes[4], "the result");
    everflow::product(everflow::own_workers(), shape, a, b, {bias, positive}, result);
  });
}

// `sizes`: bytes of the images, the maxima, the gradient (0 for what the kind does not need) and the result.
int everflow_pooling(const int64_t* numbers, int64_t count, const float* images, const float* maxima,
                     const float* gradient, float* result, const int64_t* sizes, char* message) {
  return guarded(message, [&] {
    using everflow::PoolingShape;
    const auto shape = PoolingShape::parse(numbers, count);
    const int64_t image = shape.image_elements() * static_cast<int64_t>(sizeof(float));
    const int64_t pooled = shape.pooled_elements() * static_cast<int64_t>(sizeof(float));
    const bool maximum = shape.kind == PoolingShape::kMaximum, average = shape.kind == PoolingShape::kAverage;
    const bool gradient_of_maximum = shape.kind == PoolingShape::kMaximumGradient;
    require_bytes(shape.kind == PoolingShape::kAverageGradient ? 0 : image, sizes[0], "the images");
    require_bytes(gradient_of_maximum ? pooled : 0, sizes[1], "the maxima");
    require_bytes(maximum || average ? 0 : pooled, sizes[2], "the gradient");
    require_bytes(maximum || average ? pooled : image, sizes[3], "the result");
    everflow::pooling(everflow::own_workers(), shape, {images, maxima, gradient, result});
  });
}

// `arrays`: the length where the kind has one, then operands and results; `sizes`: the bytes of each.
int everflow_recurrent(const int64_t* numbers, int64_t count, void* const* arrays, int64_t array_count,
                       const int64_t* sizes, char* message) {
  return guarded(message, [&] {
    const auto shape = everflow::RecurrentShape::parse(numbers, count);
    std::vector<int64_t> expected = shape.operand_elements();
    const std::vector<int64_t> results = shape.result_elements();
    const size_t operand_count = expected.size(), before = shape.has_length() ? 1 : 0;
    expected.insert(expected.end(), results.begin(), results.end());
    if (array_count != static_cast<int64_t>(before + expected.size())) {
      throw everflow::Failure("recurrent: an unexpected number of arrays");
    }
    int64_t length = 1;
    if (shape.has_length()) {
      require_bytes(sizeof(length), sizes[0], "the length");
      std::memcpy(&length, arrays[0], sizeof(length));
    }
    std::vector<float*> given;
    for (size_t i = 0; i < expected.size(); ++i) {
      require_bytes(expected[i] * static_cast<int64_t>(sizeof(float)), sizes[before + i],
                    i < operand_count ? "an operand" : "a result");
      given.push_back(static_cast<float*>(arrays[before + i]));
    }
    everflow::recurrent(everflow::own_workers(), shape, length, given.data(), given.data() + operand_count);
  });
}

int64_t everflow_scratch_bytes() {
  return static_cast<int64_t>(everflow::scratch_bytes_kept() + everflow::kept_filter_bytes());
}

void everflow_trim_scratch() {
  everflow::drop_kept_filters();
  everflow::trim_scratch();
}

}  // extern "C"
