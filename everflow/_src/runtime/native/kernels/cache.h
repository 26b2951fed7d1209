// Primitives by the numbers that describe them.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "dnnl_api.h"
#include "workers.h"

namespace everflow {

// Keeps what `make` made for a key, for all threads. Making takes milliseconds, using it takes none.
template <typename Key, typename Value>
class Cache {
 public:
  std::shared_ptr<const Value> get(const Key& key, const std::function<std::shared_ptr<const Value>()>& make) {
    const std::string bytes(reinterpret_cast<const char*>(&key), sizeof(Key));
    {
      std::lock_guard<std::mutex> lock(shared_state());
      auto found = values_.find(bytes);
      if (found != values_.end()) return found->second;
    }
    std::shared_ptr<const Value> value = make();
    std::lock_guard<std::mutex> lock(shared_state());
    // A program has few shapes; one that makes new ones without end must not keep them all.
    if (values_.size() >= kMost) values_.clear();
    return values_.emplace(bytes, std::move(value)).first->second;
  }

 private:
  static constexpr size_t kMost = 1024;
  std::unordered_map<std::string, std::shared_ptr<const Value>> values_;
};

}  // namespace everflow
