#include "kept_filters.h"

#include <mutex>
#include <unordered_map>
#include <utility>

#include "workers.h"

namespace everflow {

namespace {

// What is kept at the most; then it starts anew, since versions that are over are never asked for again.
constexpr size_t kMostKept = size_t{512} << 20;

struct Kept {
  std::shared_ptr<const Scratch> filters;
  size_t bytes;
};
using Table = std::unordered_map<std::string, Kept>;

size_t kept_bytes = 0;

Table& table() {
  static auto* kept = new Table;  // as long as the process: threads may still be at work
  return *kept;
}

}  // namespace

std::shared_ptr<const Scratch> arranged_filters(const std::string& name, size_t bytes,
                                                const std::function<void(void*)>& arrange) {
  const bool is_kept = !name.empty() && bytes <= kMostKept;
  if (is_kept) {
    std::lock_guard<std::mutex> lock(shared_state());
    auto found = table().find(name);
    if (found != table().end()) return found->second.filters;
  }
  auto arranged = std::make_shared<Scratch>(bytes);
  arrange(arranged->data());
  if (!is_kept) return arranged;
  Table dropped;  // its blocks go back to the pool, which takes the lock again
  {
    std::lock_guard<std::mutex> lock(shared_state());
    if (kept_bytes + bytes > kMostKept) {
      dropped.swap(table());
      kept_bytes = 0;
    }
    if (table().emplace(name, Kept{arranged, bytes}).second) kept_bytes += bytes;
  }
  return arranged;
}

size_t kept_filter_bytes() {
  std::lock_guard<std::mutex> lock(shared_state());
  return kept_bytes;
}

void drop_kept_filters() {
  Table dropped;
  {
    std::lock_guard<std::mutex> lock(shared_state());
    dropped.swap(table());
    kept_bytes = 0;
  }
}

}  // namespace everflow
