// Work on several threads: XLA's own inside of compiled programs, a few of ours for eager calls.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <mutex>

namespace everflow {

// Somebody's threads.
class Workers {
 public:
  virtual ~Workers() = default;
  // How many may work at the same time, the caller among them.
  virtual int count() const = 0;
  // Runs `task` on another thread, some time; or never, where there is no other thread.
  virtual void schedule(std::function<void()> task) = 0;
};

// The i-th of `parts` parts of an extent, cut between tiles of a size.
struct Part {
  Part(int64_t extent, int i, int parts, int64_t tile = 1) {
    const int64_t tiles = (extent + tile - 1) / tile;
    first = std::min(extent, tiles * i / parts * tile);
    rows = std::min(extent, tiles * (i + 1) / parts * tile) - first;
  }

  int64_t first, rows;
};

// Calls work(0) ... work(pieces - 1), each once, on the caller's thread and on those of `workers`; returns when all
// are done. oneDNN is held to one thread meanwhile. The caller takes whatever nobody else has begun, so it never
// waits for a thread that waits for it. Throws the first Failure of a piece.
void parallel(Workers& workers, int pieces, const std::function<void(int)>& work);

// The threads that serve calls from outside of compiled programs: one less than the process has processors.
Workers& own_workers();

// Makes forked children able to go on; called once.
void survive_forks();

// Guards what calls share (the pool of scratch memory, the cache of primitives); held for moments, also over fork.
std::mutex& shared_state();

// Held while oneDNN makes a primitive, and over fork: a child must not find oneDNN's own locks taken.
std::mutex& making_primitives();

}  // namespace everflow
