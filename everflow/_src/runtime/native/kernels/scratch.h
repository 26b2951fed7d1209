// Memory for the time of one call, kept for the next.
#pragma once

#include <cstddef>

namespace everflow {

// A block of at least `bytes` bytes, aligned for vectors; it goes back to the pool when the object dies.
class Scratch {
 public:
  explicit Scratch(size_t bytes);
  ~Scratch();
  Scratch(Scratch&& other) noexcept;
  Scratch& operator=(Scratch&& other) noexcept;
  Scratch(const Scratch&) = delete;
  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Bytes that the pool holds for later; `trim_scratch` gives them back.
size_t scratch_bytes_kept();
void trim_scratch();

}  // namespace everflow
