// Handlers for XLA's foreign-function interface: what compiled programs call, on XLA's own threads.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "channels.h"
#include "convolution.h"
#include "dnnl_api.h"
#include "pooling.h"
#include "product.h"
#include "recurrent.h"
#include "workers.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace everflow {
namespace {

class XlaWorkers : public Workers {
 public:
  explicit XlaWorkers(ffi::ThreadPool pool)
      : pool_(pool), count_(static_cast<int>(std::max<int64_t>(1, pool.num_threads()))) {}
  int count() const override { return count_; }
  void schedule(std::function<void()> task) override { pool_.Schedule(std::move(task)); }

 private:
  ffi::ThreadPool pool_;
  int count_;
};

template <typename Work>
ffi::Error guarded(Work work) {
  try {
    work();
    return ffi::Error::Success();
  } catch (const std::exception& failure) {
    return ffi::Error::InvalidArgument(failure.what());
  } catch (...) {
    return ffi::Error::Internal("unknown failure");
  }
}

void require(int64_t expected, ffi::DataType type, const ffi::AnyBuffer& buffer, const char* what) {
  if (buffer.element_type() != type) throw Failure(std::string(what) + " has an unexpected type");
  if (static_cast<int64_t>(buffer.element_count()) != expected) {
    throw Failure(std::string(what) + " has another size than its shape says");
  }
}

ffi::AnyBuffer operand(const ffi::RemainingArgs& arguments, size_t index) {
  auto buffer = arguments.get<ffi::AnyBuffer>(index);
  if (buffer.has_error()) throw Failure("an operand is missing");
  return *buffer;
}

const float* floats(const ffi::AnyBuffer& buffer, int64_t expected, const char* what) {
  require(expected, ffi::DataType::F32, buffer, what);
  return static_cast<const float*>(buffer.untyped_data());
}

float* floats(ffi::Result<ffi::AnyBuffer>& buffer, int64_t expected) {
  require(expected, ffi::DataType::F32, *buffer, "a result");
  return static_cast<float*>(buffer->untyped_data());
}

ffi::Error convolution_handler(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::Result<ffi::AnyBuffer> result,
                               ffi::Span<const int64_t> numbers) {
  return guarded([&] {
    const auto shape = ConvolutionShape::parse(numbers.begin(), static_cast<int64_t>(numbers.size()));
    const size_t expected_operands = 2 + shape.bias + 3 * shape.affine + shape.addend + (shape.versioned > 0);
    if (arguments.size() != expected_operands) throw Failure("convolution: an unexpected number of operands");
    const auto type = shape.type == 1 ? ffi::DataType::BF16 : ffi::DataType::F32;
    const auto expected = shape.operand_elements();
    const ffi::AnyBuffer a = operand(arguments, 0), b = operand(arguments, 1);
    require(expected[0], type, a, "the first operand");
    require(expected[1], type, b, "the second operand");
    require(expected[2], type, *result, "the result");
    const void* bias = nullptr;
    if (shape.bias) {
      const ffi::AnyBuffer values = operand(arguments, 2);
      require(shape.out_channels, type, values, "the bias");
      bias = values.untyped_data();
    }
    size_t next = 2 + shape.bias;
    ChannelTerms behind;
    if (shape.affine) {
      for (const float** vector : {&behind.shift, &behind.factor, &behind.offset}) {
        *vector = floats(operand(arguments, next++), shape.out_channels, "a vector of the channels");
      }
    }
    if (shape.addend) behind.addend = floats(operand(arguments, next++), shape.result_elements(), "the addend");
    int64_t version = 0;
    if (shape.versioned > 0) {
      const ffi::AnyBuffer versions = operand(arguments, next);
      require(static_cast<int64_t>(versions.element_count()), ffi::DataType::S64, versions, "the versions");
      if (shape.versioned > static_cast<int64_t>(versions.element_count())) {
        throw Failure("convolution: there are fewer versions than that");
      }
      version = static_cast<const int64_t*>(versions.untyped_data())[shape.versioned - 1];
    }
    XlaWorkers workers(pool);
    convolution(workers, shape, a.untyped_data(), b.untyped_data(), bias, behind, result->untyped_data(), version);
  });
}

ffi::Error product_handler(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::Result<ffi::AnyBuffer> result,
                           ffi::Span<const int64_t> numbers) {
  return guarded([&] {
    const auto shape = ProductShape::parse(numbers.begin(), static_cast<int64_t>(numbers.size()));
    const size_t expected_operands = 2 + shape.bias + shape.positive;
    if (arguments.size() != expected_operands) throw Failure("product: an unexpected number of operands");
    const ffi::AnyBuffer a = operand(arguments, 0), b = operand(arguments, 1);
    const auto type = shape.type == 1 ? ffi::DataType::BF16 : ffi::DataType::F32;
    require(shape.count * shape.rows * shape.inner, type, a, "the first operand");
    require(shape.count * shape.inner * shape.columns, type, b, "the second operand");
    require(shape.count * shape.rows * shape.columns, type, *result, "the result");
    ProductBehind behind;
    if (shape.bias) behind.bias = floats(operand(arguments, 2), shape.columns, "the bias");
    if (shape.positive) {
      behind.positive = floats(operand(arguments, 2 + shape.bias), shape.rows * shape.columns, "the features");
    }
    XlaWorkers workers(pool);
    product(workers, shape, a.untyped_data(), b.untyped_data(), behind, result->untyped_data());
  });
}

ffi::Error pooling_handler(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::Result<ffi::AnyBuffer> result,
                           ffi::Span<const int64_t> numbers) {
  return guarded([&] {
    const auto shape = PoolingShape::parse(numbers.begin(), static_cast<int64_t>(numbers.size()));
    const int64_t image = shape.image_elements(), pooled = shape.pooled_elements();
    const bool is_gradient_of_maximum = shape.kind == PoolingShape::kMaximumGradient;
    if (arguments.size() != (is_gradient_of_maximum ? 3 : 1)) {
      throw Failure("pooling: an unexpected number of operands");
    }
    PoolingOperands operands;
    if (shape.kind == PoolingShape::kAverageGradient) {
      operands.gradient = floats(operand(arguments, 0), pooled, "the gradient");
    } else {
      operands.images = floats(operand(arguments, 0), image, "the images");
    }
    if (is_gradient_of_maximum) {
      operands.maxima = floats(operand(arguments, 1), pooled, "the maxima");
      operands.gradient = floats(operand(arguments, 2), pooled, "the gradient");
    }
    operands.result = floats(result, operands.gradient == nullptr ? pooled : image);
    XlaWorkers workers(pool);
    pooling(workers, shape, operands);
  });
}

ffi::Error channel_moments_handler(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> mean,
                                   ffi::Result<ffi::AnyBuffer> variance, ffi::Span<const int64_t> numbers) {
  return guarded([&] {
    const auto shape = ChannelShape::parse(numbers.begin(), static_cast<int64_t>(numbers.size()));
    XlaWorkers workers(pool);
    channel_moments(workers, shape, floats(x, shape.rows * shape.channels, "the operand"),
                    floats(mean, shape.channels), floats(variance, shape.channels));
  });
}

ffi::Error channel_products_handler(ffi::ThreadPool pool, ffi::AnyBuffer dy, ffi::AnyBuffer x, ffi::AnyBuffer mean,
                                    ffi::Result<ffi::AnyBuffer> sum, ffi::Result<ffi::AnyBuffer> product,
                                    ffi::Span<const int64_t> numbers) {
  return guarded([&] {
    const auto shape = ChannelShape::parse(numbers.begin(), static_cast<int64_t>(numbers.size()));
    const int64_t elements = shape.rows * shape.channels;
    XlaWorkers workers(pool);
    channel_products(workers, shape, floats(dy, elements, "the first operand"), floats(x, elements, "the second operand"),
                     floats(mean, shape.channels, "the mean"), floats(sum, shape.channels),
                     floats(product, shape.channels));
  });
}

ffi::Error channel_affine_handler(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::Result<ffi::AnyBuffer> result,
                                  ffi::Span<const int64_t> numbers) {
  return guarded([&] {
    const auto shape = ChannelShape::parse(numbers.begin(), static_cast<int64_t>(numbers.size()));
    if (arguments.size() < 4 || arguments.size() > 6) throw Failure("channels: an unexpected number of operands");
    const int64_t elements = shape.rows * shape.channels;
    // Which operands are arrays, in the order of ChannelTerms; the others have one number per channel.
    const bool whole[6] = {true, false, false, false, true, false};
    const float* values[6] = {};
    for (size_t i = 0; i < arguments.size(); ++i) {
      values[i] = floats(operand(arguments, i), whole[i] ? elements : shape.channels, "an operand");
    }
    XlaWorkers workers(pool);
    channel_affine(workers, shape, {values[0], values[1], values[2], values[3], values[4], values[5]},
                   floats(result, elements));
  });
}

ffi::Error recurrent_handler(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::RemainingRets rets,
                             ffi::Span<const int64_t> numbers) {
  return guarded([&] {
    const auto shape = RecurrentShape::parse(numbers.begin(), static_cast<int64_t>(numbers.size()));
    const std::vector<int64_t> expected = shape.operand_elements(), given = shape.result_elements();
    const size_t before = shape.has_length() ? 1 : 0;
    if (arguments.size() != before + expected.size()) throw Failure("recurrent: an unexpected number of operands");
    if (rets.size() != given.size()) throw Failure("recurrent: an unexpected number of results");
    int64_t length = 1;
    if (shape.has_length()) {
      const ffi::AnyBuffer buffer = operand(arguments, 0);
      require(1, ffi::DataType::S64, buffer, "the length");
      std::memcpy(&length, buffer.untyped_data(), sizeof(length));
    }
    std::vector<const float*> operands;
    for (size_t i = 0; i < expected.size(); ++i) {
      operands.push_back(floats(operand(arguments, before + i), expected[i], "an operand"));
    }
    std::vector<float*> results;
    for (size_t i = 0; i < given.size(); ++i) {
      auto buffer = rets.get<ffi::AnyBuffer>(i);
      if (buffer.has_error()) throw Failure("a result is missing");
      results.push_back(floats(*buffer, given[i]));
    }
    XlaWorkers workers(pool);
    recurrent(workers, shape, length, operands.data(), results.data());
  });
}

}  // namespace
}  // namespace everflow

XLA_FFI_DEFINE_HANDLER_SYMBOL(everflow_compiled_convolution, everflow::convolution_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<ffi::Span<const int64_t>>("numbers"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(everflow_compiled_product, everflow::product_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<ffi::Span<const int64_t>>("numbers"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(everflow_compiled_pooling, everflow::pooling_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<ffi::Span<const int64_t>>("numbers"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(everflow_compiled_channel_moments, everflow::channel_moments_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<ffi::Span<const int64_t>>("numbers"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(everflow_compiled_channel_products, everflow::channel_products_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<ffi::Span<const int64_t>>("numbers"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(everflow_compiled_channel_affine, everflow::channel_affine_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<ffi::Span<const int64_t>>("numbers"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(everflow_compiled_recurrent, everflow::recurrent_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<ffi::Span<const int64_t>>("numbers"));
