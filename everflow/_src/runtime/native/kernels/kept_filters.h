// Filters in the layout of a kernel, kept from one call to the next: rearranging those of a large network takes a sixth
// of the time of its inference.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "scratch.h"

namespace everflow {

// What `arrange` writes into a block of `bytes` bytes. The name tells the version of the filters and what they are
// arranged for; where it is empty, nobody knows whether they will be the same again, and nothing is kept.
std::shared_ptr<const Scratch> arranged_filters(const std::string& name, size_t bytes,
                                                const std::function<void(void*)>& arrange);

// Bytes that are kept; `drop_kept_filters` gives them back.
size_t kept_filter_bytes();
void drop_kept_filters();

}  // namespace everflow
