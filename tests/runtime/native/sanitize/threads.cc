// What the kernels share between threads, used hard by several: a program for the sanitizers (`make sanitize`).
//
//   threads PATH_OF_ONEDNN
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "channels.h"
#include "convolution.h"
#include "dnnl_api.h"
#include "pooling.h"
#include "product.h"
#include "recurrent.h"
#include "scratch.h"
#include "workers.h"

namespace {

using namespace everflow;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

void in_threads(int count, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&work, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
}

// Every task in a thread of its own, some of them long after its call has returned.
class LateWorkers : public Workers {
 public:
  ~LateWorkers() override {
    for (std::thread& thread : threads_) thread.join();
  }
  int count() const override { return 4; }
  void schedule(std::function<void()> task) override {
    std::lock_guard<std::mutex> lock(mutex_);
    const int delay = static_cast<int>(threads_.size()) % 5;
    threads_.emplace_back([task = std::move(task), delay] {
      std::this_thread::sleep_for(std::chrono::milliseconds(delay));
      task();
    });
  }

 private:
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

// Threads that never come, and threads that cannot be had.
class AbsentWorkers : public Workers {
 public:
  int count() const override { return 4; }
  void schedule(std::function<void()>) override {}
};

class RefusingWorkers : public Workers {
 public:
  int count() const override { return 4; }
  void schedule(std::function<void()> task) override {
    if (accepted_.fetch_add(1) % 2 == 1) throw std::runtime_error("no thread");
    std::thread(std::move(task)).detach();
  }

 private:
  std::atomic<int> accepted_{0};
};

void every_piece_is_done_once(Workers& workers) {
  for (int pieces : {0, 1, 2, 3, 7, 40}) {
    std::vector<int> done(pieces, 0);  // not atomic: a piece belongs to one thread
    parallel(workers, pieces, [&](int i) { ++done[i]; });
    for (int times : done) expect(times == 1, "a piece was left out or done twice");
  }
}

void failures_reach_the_caller(Workers& workers) {
  std::atomic<int> begun{0};
  bool caught = false;
  try {
    parallel(workers, 9, [&](int i) {
      ++begun;
      if (i % 3 == 1) throw Failure("piece");
    });
  } catch (const Failure& failure) {
    caught = std::strcmp(failure.what(), "piece") == 0;
  }
  expect(caught, "the failure of a piece was lost");
  expect(begun == 9, "a failure left pieces undone");
}

void scratch_memory() {
  in_threads(4, [](int number) {
    for (int i = 0; i < 200; ++i) {
      const size_t bytes = size_t{64} << (i * 7 + number) % 16;
      Scratch one(bytes), two(bytes / 2);
      std::memset(one.data(), number, bytes);
      std::memset(two.data(), number + 1, bytes / 2);
      Scratch moved(std::move(one));
      one = std::move(two);
      const unsigned char* first = static_cast<unsigned char*>(moved.data());
      expect(first[0] == number && first[bytes - 1] == number, "scratch memory is shared");
      if (i % 50 == 49) trim_scratch();
    }
  });
  for (size_t megabytes = 20; megabytes < 40; ++megabytes) Scratch large(megabytes << 20);
  expect(scratch_bytes_kept() <= size_t{256} << 20, "too much scratch memory is kept");
  trim_scratch();
  expect(scratch_bytes_kept() == 0, "scratch memory is left");
}

std::vector<float> numbers(int64_t count, unsigned seed) {
  std::vector<float> values(count);
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) / (1 << 23) - 1.0f;
  }
  return values;
}

// Windows of 3 x 3 under padding that keeps the size; `more`: with a bias, and all that may come behind.
ConvolutionShape convolution_shape(int64_t kind, int64_t batch, int64_t size, int64_t channels, int64_t more) {
  const int64_t description[ConvolutionShape::kNumbers] = {
      kind, 0, 2, batch, channels, 16, 1, more, more, more, more, size, size, 0, 3, 3, 0, size, size, 0,
      1,    1, 0, 1,     1,        0,  1, 1,    0, 0};
  return ConvolutionShape::parse(description, ConvolutionShape::kNumbers);
}

std::vector<float> convolve(Workers& workers, const ConvolutionShape& s, int64_t version = 0) {
  int64_t counts[3] = {s.image_elements(), s.filter_elements(), s.result_elements()};
  if (s.kind == ConvolutionShape::kByData) std::swap(counts[0], counts[2]);
  if (s.kind == ConvolutionShape::kByWeights) std::swap(counts[1], counts[2]);
  const std::vector<float> a = numbers(counts[0], 1), b = numbers(counts[1], 2), row = numbers(s.out_channels, 3);
  const std::vector<float> addend = numbers(s.addend ? counts[2] : 0, 4);
  ChannelTerms behind;
  if (s.affine) behind.shift = behind.factor = behind.offset = row.data();
  if (s.addend) behind.addend = addend.data();
  std::vector<float> result(counts[2]);
  convolution(workers, s, a.data(), b.data(), s.bias ? row.data() : nullptr, behind, result.data(),
              version);
  return result;
}

void convolutions(Workers& workers) {
  for (int64_t size : {9, 33}) {
    for (int64_t batch : {1, 2, 5}) {
      in_threads(3, [&](int thread) {
        for (int64_t kind : {0, 1, 2}) {
          const auto shape = convolution_shape(kind, batch, size, 8, kind == 0 && thread == 2);
          const std::vector<float> first = convolve(workers, shape);
          for (int i = 0; i < 3; ++i) expect(convolve(workers, shape) == first, "a convolution is not the same again");
          if (kind != 0) continue;
          for (int64_t version : {1, 2, 1}) {
            expect(convolve(workers, shape, version) == first, "a convolution with kept filters is not the same");
          }
        }
      });
    }
  }
  // More shapes than the cache keeps are not tried here; new ones in all threads at once are.
  in_threads(4, [&](int) {
    for (int64_t size = 10; size < 18; ++size) convolve(workers, convolution_shape(0, 2, size, 5, 1));
  });
}

void products(Workers& workers) {
  const int64_t shapes[][ProductShape::kNumbers] = {
      {0, 1, 200, 90, 64, 0, 0, 1, 1, 1}, {0, 1, 90, 200, 64, 1, 1, 0, 1, 1}, {0, 1, 90, 200, 64, 0, 1, 1, 0, 1},
      {0, 1, 9, 7, 40000, 0, 1, 1, 1, 0}, {0, 7, 40, 50, 60, 1, 0, 0, 0, 0}};
  in_threads(3, [&](int) {
    for (const auto& description : shapes) {
      const auto s = ProductShape::parse(description, ProductShape::kNumbers);
      const std::vector<float> a = numbers(s.count * s.rows * s.inner, 1), b = numbers(s.count * s.inner * s.columns, 2);
      std::vector<float> first(s.count * s.rows * s.columns), again(first.size());
      const std::vector<float> bias = numbers(s.columns, 3), positive = numbers(s.rows * s.columns, 4);
      const ProductBehind behind{bias.data(), positive.data()};
      product(workers, s, a.data(), b.data(), behind, first.data());
      product(workers, s, a.data(), b.data(), behind, again.data());
      expect(first == again, "a product is not the same again");
    }
  });
}

void recurrent_layers(Workers& workers) {
  in_threads(3, [&](int thread) {
    for (int64_t kind = 0; kind < RecurrentShape::kKinds; ++kind) {
      // A batch that is cut, and one that is too small for it; over more steps than are done at once.
      const int64_t steps = kind == RecurrentShape::kLstm || kind == RecurrentShape::kLstmGradient ? 150 : 1;
      const int64_t description[RecurrentShape::kNumbers] = {kind, 1, steps, thread == 0 ? 3 : 21, 20, 19, 1, 0, 0, 0};
      const auto s = RecurrentShape::parse(description, RecurrentShape::kNumbers);
      std::vector<std::vector<float>> operands, first, again;
      for (int64_t count : s.operand_elements()) operands.push_back(numbers(count, 1));
      for (int64_t count : s.result_elements()) first.emplace_back(count);
      again = first;
      const auto compute = [&](std::vector<std::vector<float>>& results) {
        std::vector<const float*> given;
        std::vector<float*> taken;
        for (const std::vector<float>& values : operands) given.push_back(values.data());
        for (std::vector<float>& values : results) taken.push_back(values.data());
        recurrent(workers, s, steps - 1, given.data(), taken.data());
      };
      compute(first);
      compute(again);
      expect(std::memcmp(first[0].data(), again[0].data(), first[0].size() * sizeof(float)) == 0,
             "a recurrent layer is not the same again");
    }
  });
}

void channels(Workers& workers) {
  in_threads(3, [&](int) {
    const int64_t description[ChannelShape::kNumbers] = {5000, 33, 1};
    const auto s = ChannelShape::parse(description, ChannelShape::kNumbers);
    const std::vector<float> x = numbers(s.rows * s.channels, 1), dy = numbers(s.rows * s.channels, 2);
    std::vector<float> first(s.channels), second(s.channels), result(x.size()), again(x.size());
    channel_moments(workers, s, x.data(), first.data(), second.data());
    channel_products(workers, s, dy.data(), x.data(), first.data(), second.data(), first.data());
    ChannelTerms terms;
    terms.x = x.data();
    terms.shift = terms.factor = terms.offset = second.data();
    terms.addend = dy.data();
    channel_affine(workers, s, terms, result.data());
    channel_affine(workers, s, terms, again.data());
    expect(result == again, "a normalization is not the same again");
  });
}

void pools(Workers& workers) {
  in_threads(3, [&](int thread) {
    for (int64_t kind = 0; kind < 4; ++kind) {
      // Windows of 3 x 3 by 2 x 2, which overlap, over several images, and over one that is cut by channels.
      const int64_t batch = thread == 0 ? 1 : 5;
      const int64_t description[PoolingShape::kNumbers] = {kind, batch, 48, 1, 31, 32, 1, 3, 3,
                                                           1,    16,    16, 1, 2,  2,  0, 1, 0,
                                                           kind == PoolingShape::kMaximumGradient && thread == 1};
      const auto s = PoolingShape::parse(description, PoolingShape::kNumbers);
      const bool gradient = kind == PoolingShape::kMaximumGradient || kind == PoolingShape::kAverageGradient;
      const std::vector<float> images = numbers(s.image_elements(), 1), pooled = numbers(s.pooled_elements(), 2);
      std::vector<float> first(gradient ? images.size() : pooled.size()), again(first.size());
      pooling(workers, s, {images.data(), pooled.data(), pooled.data(), first.data()});
      pooling(workers, s, {images.data(), pooled.data(), pooled.data(), again.data()});
      expect(first == again, "a pool is not the same again");
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  expect(argc == 2, "one argument: the path of oneDNN's library");
  in_threads(2, [&](int) { load_dnnl(argv[1]); });
  LateWorkers late;
  AbsentWorkers absent;
  RefusingWorkers refusing;
  for (Workers* workers : {static_cast<Workers*>(&late), static_cast<Workers*>(&absent),
                           static_cast<Workers*>(&refusing), &own_workers()}) {
    in_threads(3, [&](int) {
      for (int i = 0; i < 10; ++i) {
        every_piece_is_done_once(*workers);
        failures_reach_the_caller(*workers);
      }
    });
  }
  scratch_memory();
  for (Workers* workers : {static_cast<Workers*>(&late), static_cast<Workers*>(&refusing), &own_workers()}) {
    convolutions(*workers);
    products(*workers);
    recurrent_layers(*workers);
    channels(*workers);
    pools(*workers);
  }
  trim_scratch();
  std::puts("done");
  return 0;
}
