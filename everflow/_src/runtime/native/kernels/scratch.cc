#include "scratch.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "dnnl_api.h"
#include "workers.h"

namespace everflow {

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kGranularity = 4096;
// What is kept for later calls, at the most.
constexpr size_t kMostKept = size_t{256} << 20;

std::multimap<size_t, void*> kept;
size_t kept_bytes = 0;

}  // namespace

Scratch::Scratch(size_t bytes) {
  if (bytes == 0) return;
  bytes = (bytes + kGranularity - 1) / kGranularity * kGranularity;
  {
    std::lock_guard<std::mutex> lock(shared_state());
    auto found = kept.lower_bound(bytes);
    // A block that is much too large would be missed by the call it was made for.
    if (found != kept.end() && found->first <= 2 * bytes) {
      bytes_ = found->first;
      data_ = found->second;
      kept_bytes -= bytes_;
      kept.erase(found);
      return;
    }
  }
  data_ = std::aligned_alloc(kAlignment, bytes);
  if (data_ == nullptr) throw Failure("out of memory: " + std::to_string(bytes) + " bytes of scratch memory");
  bytes_ = bytes;
}

Scratch::Scratch(Scratch&& other) noexcept : data_(other.data_), bytes_(other.bytes_) {
  other.data_ = nullptr;
  other.bytes_ = 0;
}

Scratch& Scratch::operator=(Scratch&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Scratch::~Scratch() {
  if (data_ == nullptr) return;
  if (bytes_ > kMostKept) {
    std::free(data_);
    return;
  }
  std::multimap<size_t, void*> dropped;
  {
    std::lock_guard<std::mutex> lock(shared_state());
    // A full pool starts anew: it may be full of sizes that nobody asks for any more.
    if (kept_bytes + bytes_ > kMostKept) {
      dropped.swap(kept);
      kept_bytes = 0;
    }
    kept.emplace(bytes_, data_);
    kept_bytes += bytes_;
  }
  for (auto& block : dropped) std::free(block.second);
}

size_t scratch_bytes_kept() {
  std::lock_guard<std::mutex> lock(shared_state());
  return kept_bytes;
}

void trim_scratch() {
  std::lock_guard<std::mutex> lock(shared_state());
  for (auto& block : kept) std::free(block.second);
  kept.clear();
  kept_bytes = 0;
}

}  // namespace everflow
