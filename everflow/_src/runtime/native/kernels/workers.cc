#include "workers.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "dnnl_api.h"

namespace everflow {

namespace {

// A thread that ran out of work waits actively for about this long before it sleeps: waking up takes as long.
constexpr auto kActiveWait = std::chrono::microseconds(50);

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Some schedulers put a thread that is woken onto the processor of the one that wakes it, which then stands still,
// beside a processor that is idle. The woken thread leaves for another one.
void leave_processor(int processor) {
  if (sched_getcpu() != processor) return;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
  cpu_set_t others = allowed;
  CPU_CLR(processor, &others);
  if (sched_setaffinity(0, sizeof(others), &others) == 0) sched_setaffinity(0, sizeof(allowed), &allowed);
}

struct Job {
  explicit Job(int pieces_, const std::function<void(int)>& work_) : pieces(pieces_), work(work_) {}

  const int pieces;
  // Only touched while a piece is left, and then the caller is still waiting.
  const std::function<void(int)>& work;
  const int processor_of_caller = sched_getcpu();
  std::atomic<int> next{0};
  std::atomic<int> done{0};
  std::mutex mutex;
  std::condition_variable all_done;
  std::exception_ptr failure;

  void help() {
    if (next.load() < pieces) leave_processor(processor_of_caller);
    take_part();
  }

  void take_part() {
    int piece = next.fetch_add(1);
    if (piece >= pieces) return;
    OnThisThread single;
    for (; piece < pieces; piece = next.fetch_add(1)) {
      std::exception_ptr problem;
      try {
        work(piece);
      } catch (...) {
        problem = std::current_exception();
      }
      std::lock_guard<std::mutex> lock(mutex);
      if (problem && !failure) failure = problem;
      if (++done == pieces) all_done.notify_all();
    }
  }
};

}  // namespace

void parallel(Workers& workers, int pieces, const std::function<void(int)>& work) {
  if (pieces <= 1 || workers.count() <= 1) {
    OnThisThread single;
    for (int piece = 0; piece < pieces; ++piece) work(piece);
    return;
  }
  auto job = std::make_shared<Job>(pieces, work);
  for (int i = 1; i < std::min(pieces, workers.count()); ++i) {
    try {
      workers.schedule([job] { job->help(); });
    } catch (const std::exception&) {
      break;  // those who came, and the caller, do all of it
    }
  }
  job->take_part();
  const auto all_done = [&] { return job->done.load() == job->pieces; };
  for (const auto end = std::chrono::steady_clock::now() + kActiveWait;
       !all_done() && std::chrono::steady_clock::now() < end;) {
    pause();
  }
  std::unique_lock<std::mutex> lock(job->mutex);
  job->all_done.wait(lock, all_done);
  // Taken along: a thread that comes late must not be the one that destroys it.
  if (std::exception_ptr failure = std::move(job->failure)) std::rethrow_exception(failure);
}

std::mutex& shared_state() {
  static std::mutex* mutex = new std::mutex;
  return *mutex;
}

std::mutex& making_primitives() {
  static std::mutex* mutex = new std::mutex;
  return *mutex;
}

namespace {

// Threads that live as long as the process. A forked child has none of them and starts its own.
class OwnWorkers : public Workers {
 public:
  OwnWorkers() {
    cpu_set_t allowed;
    count_ = sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed)
                                                                  : static_cast<int>(std::thread::hardware_concurrency());
    count_ = std::max(count_, 1);
  }

  int count() const override { return count_; }

  void schedule(std::function<void()> task) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (idle_ <= static_cast<int>(tasks_.size()) && started_ < count_ - 1) start();
    if (started_ == 0) return;
    tasks_.push_back(std::move(task));
    wake_.notify_one();
  }

 private:
  void start() {
    try {
      std::thread([this] { serve(); }).detach();
      ++started_;
    } catch (const std::system_error&) {
      // The system has no thread to give; a call goes on with fewer.
    }
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      ++idle_;
      wake_.wait(lock, [this] { return !tasks_.empty(); });
      --idle_;
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      task = nullptr;
      lock.lock();
    }
  }

  int count_ = 1;
  int started_ = 0;
  int idle_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
};

std::atomic<OwnWorkers*> own{nullptr};
std::mutex making;

void before_fork() {
  making.lock();
  making_primitives().lock();
  shared_state().lock();
}

void release_after_fork() {
  shared_state().unlock();
  making_primitives().unlock();
  making.unlock();
}

void after_fork_in_child() {
  // The threads stayed behind, perhaps in the middle of something: what they shared is left as it is.
  own.store(nullptr);
  release_after_fork();
}

}  // namespace

Workers& own_workers() {
  OwnWorkers* workers = own.load(std::memory_order_acquire);
  if (workers != nullptr) return *workers;
  std::lock_guard<std::mutex> lock(making);
  if (own.load() == nullptr) own.store(new OwnWorkers, std::memory_order_release);
  return *own.load();
}

void survive_forks() { pthread_atfork(before_fork, release_after_fork, after_fork_in_child); }

}  // namespace everflow
