// oneDNN's C functions, looked up when the library is loaded: this file links against nothing.
//
// oneDNN lies in a Python package of its own. Loading it by path, with its symbols kept to itself, lets it live
// beside the other copy of oneDNN that a process may hold (PyTorch carries one).
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "dnnl.h"

namespace everflow {

// Whatever goes wrong below the surface; the entry points turn it into XLA's error status, or into a message.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

#define EVERFLOW_DNNL_FUNCTIONS(X)                      \
  X(dnnl_engine_create)                                 \
  X(dnnl_stream_create)                                 \
  X(dnnl_stream_destroy)                                \
  X(dnnl_stream_wait)                                   \
  X(dnnl_memory_create)                                 \
  X(dnnl_memory_destroy)                                \
  X(dnnl_memory_desc_create_with_strides)               \
  X(dnnl_memory_desc_create_submemory)                  \
  X(dnnl_memory_desc_create_with_tag)                   \
  X(dnnl_memory_desc_clone)                             \
  X(dnnl_memory_desc_destroy)                           \
  X(dnnl_memory_desc_equal)                             \
  X(dnnl_memory_desc_get_size)                          \
  X(dnnl_get_effective_cpu_isa)                         \
  X(dnnl_matmul_primitive_desc_create)                   \
  X(dnnl_primitive_attr_create)                         \
  X(dnnl_primitive_attr_destroy)                        \
  X(dnnl_primitive_attr_set_scratchpad_mode)            \
  X(dnnl_primitive_create)                              \
  X(dnnl_primitive_destroy)                             \
  X(dnnl_primitive_desc_destroy)                        \
  X(dnnl_primitive_desc_next_impl)                      \
  X(dnnl_primitive_desc_query)                          \
  X(dnnl_primitive_desc_query_md)                       \
  X(dnnl_primitive_execute)                             \
  X(dnnl_reorder_primitive_desc_create)                 \
  X(dnnl_convolution_forward_primitive_desc_create)     \
  X(dnnl_convolution_backward_data_primitive_desc_create)    \
  X(dnnl_convolution_backward_weights_primitive_desc_create) \
  X(dnnl_sgemm)                                         \
  X(dnnl_version)

struct DnnlApi {
#define X(name) decltype(&::name) name;
  EVERFLOW_DNNL_FUNCTIONS(X)
#undef X
  // oneDNN's own threads: OpenMP's, of the calling thread.
  void (*set_threads)(int);
  int (*get_threads)();
  dnnl_engine_t engine;
};

// The functions; throws Failure before `load_dnnl` succeeded.
const DnnlApi& dnnl();

// Loads oneDNN from `path`, once. Throws Failure with the reason.
void load_dnnl(const char* path);

// Throws Failure when a call of oneDNN did not succeed.
void check(dnnl_status_t status, const char* what);

// As long as one lives, oneDNN works on the calling thread alone; what the thread had before is put back.
class OnThisThread {
 public:
  OnThisThread();
  ~OnThisThread();
  OnThisThread(const OnThisThread&) = delete;
  OnThisThread& operator=(const OnThisThread&) = delete;

 private:
  int before_;
};

// The stream of the calling thread.
dnnl_stream_t stream();

struct MemoryDescDeleter {
  void operator()(dnnl_memory_desc_t desc) const { dnnl().dnnl_memory_desc_destroy(desc); }
};
using MemoryDesc = std::unique_ptr<dnnl_memory_desc, MemoryDescDeleter>;

// A descriptor of `count` dimensions; strides of nullptr let oneDNN choose the layout.
MemoryDesc describe(int count, const int64_t* sizes, dnnl_data_type_t type, const int64_t* strides);

// A primitive with what is needed to execute it, made for one thread and for scratch memory that the caller gives.
struct Primitive {
  // Takes the descriptor over.
  explicit Primitive(dnnl_primitive_desc_t desc);
  ~Primitive();
  Primitive(const Primitive&) = delete;
  Primitive& operator=(const Primitive&) = delete;

  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive = nullptr;
  size_t scratch_bytes = 0;
  std::string name;  // oneDNN's name of the implementation

  const_dnnl_memory_desc_t query(dnnl_query_t what, int index = 0) const;
};

// Attributes that every primitive here has: scratch memory from the caller.
class Attributes {
 public:
  Attributes();
  ~Attributes();
  const_dnnl_primitive_attr_t get() const { return attr_; }

 private:
  dnnl_primitive_attr_t attr_ = nullptr;
};

// Whether the processor works through vectors of 512 bits in two halves, and so is no faster with them (AMD's Zen 4).
bool has_halved_vectors();

// One argument of a primitive: where it lies and how.
struct Argument {
  int index;
  const_dnnl_memory_desc_t desc;
  void* data;
};

// Executes on the calling thread.
void execute(const Primitive& primitive, const Argument* arguments, int count);

// Copies between layouts on the calling thread.
void reorder(const_dnnl_memory_desc_t from, const void* source, const_dnnl_memory_desc_t to, void* target);

// The primitive that does so, to be used again.
std::unique_ptr<Primitive> make_reorder(const_dnnl_memory_desc_t from, const_dnnl_memory_desc_t to);

MemoryDesc clone(const_dnnl_memory_desc_t desc);

// The part [first, last) of dimension `axis` of an array with these sizes; null where its layout does not come apart
// there.
MemoryDesc part_of(const_dnnl_memory_desc_t desc, int dimensions, const int64_t* sizes, int axis, int64_t first,
                   int64_t last);

}  // namespace everflow
