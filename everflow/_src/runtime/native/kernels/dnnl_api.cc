#include "dnnl_api.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "scratch.h"
#include "workers.h"

namespace everflow {

namespace {

std::atomic<const DnnlApi*> loaded{nullptr};
std::mutex loading;

template <typename Function>
void look_up(void* library, const char* name, Function* target) {
  *target = reinterpret_cast<Function>(dlsym(library, name));
  if (*target == nullptr) throw Failure(std::string("oneDNN has no function ") + name);
}

}  // namespace

const DnnlApi& dnnl() {
  const DnnlApi* api = loaded.load(std::memory_order_acquire);
  if (api == nullptr) throw Failure("oneDNN is not loaded");
  return *api;
}

void load_dnnl(const char* path) {
  std::lock_guard<std::mutex> lock(loading);
  if (loaded.load() != nullptr) return;
  int flags = RTLD_NOW | RTLD_LOCAL;
#if defined(RTLD_DEEPBIND) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  flags |= RTLD_DEEPBIND;  // its own symbols first, whatever else the process has loaded
#endif
  void* library = dlopen(path, flags);
  if (library == nullptr) throw Failure(dlerror());
  auto api = std::make_unique<DnnlApi>();
#define X(name) look_up(library, #name, &api->name);
  EVERFLOW_DNNL_FUNCTIONS(X)
#undef X
  look_up(library, "omp_set_num_threads", &api->set_threads);
  look_up(library, "omp_get_max_threads", &api->get_threads);
  if (api->dnnl_version()->major != DNNL_VERSION_MAJOR) {
    throw Failure("oneDNN " + std::to_string(api->dnnl_version()->major) + " was found, oneDNN " +
                  std::to_string(DNNL_VERSION_MAJOR) + " is needed");
  }
  check(api->dnnl_engine_create(&api->engine, dnnl_cpu, 0), "creating oneDNN's engine");
  survive_forks();
  loaded.store(api.release(), std::memory_order_release);
}

void check(dnnl_status_t status, const char* what) {
  if (status == dnnl_success) return;
  const char* reason = status == dnnl_out_of_memory     ? "out of memory"
                       : status == dnnl_invalid_arguments ? "invalid arguments"
                       : status == dnnl_unimplemented     ? "not implemented"
                                                          : "failed";
  throw Failure(std::string(what) + ": " + reason);
}

OnThisThread::OnThisThread() : before_(dnnl().get_threads()) {
  if (before_ != 1) dnnl().set_threads(1);
}

OnThisThread::~OnThisThread() {
  if (before_ != 1) dnnl().set_threads(before_);
}

dnnl_stream_t stream() {
  struct Stream {
    dnnl_stream_t stream = nullptr;
    ~Stream() {
      if (stream != nullptr) dnnl().dnnl_stream_destroy(stream);
    }
  };
  thread_local Stream mine;
  if (mine.stream == nullptr) {
    check(dnnl().dnnl_stream_create(&mine.stream, dnnl().engine, dnnl_stream_default_flags), "creating a stream");
  }
  return mine.stream;
}

bool has_halved_vectors() {
#if defined(__x86_64__)
  static const bool found = [] {
    unsigned most, b, c, d, signature;
    if (__get_cpuid(0, &most, &b, &c, &d) == 0 || b != signature_AMD_ebx) return false;
    if (__get_cpuid(1, &signature, &b, &c, &d) == 0) return false;
    const unsigned family = ((signature >> 8) & 0xf) + ((signature >> 20) & 0xff);
    return family == 0x19;
  }();
  return found;
#else
  return false;
#endif
}

MemoryDesc describe(int count, const int64_t* sizes, dnnl_data_type_t type, const int64_t* strides) {
  dnnl_memory_desc_t desc = nullptr;
  if (strides != nullptr) {
    check(dnnl().dnnl_memory_desc_create_with_strides(&desc, count, sizes, type, strides), "describing memory");
  } else {
    check(dnnl().dnnl_memory_desc_create_with_tag(&desc, count, sizes, type, dnnl_format_tag_any),
          "describing memory");
  }
  return MemoryDesc(desc);
}

Primitive::Primitive(dnnl_primitive_desc_t desc_) : desc(desc_) {
  dnnl_status_t status = dnnl().dnnl_primitive_create(&primitive, desc);
  if (status != dnnl_success) dnnl().dnnl_primitive_desc_destroy(desc);
  check(status, "creating a primitive");
  scratch_bytes = dnnl().dnnl_memory_desc_get_size(query(dnnl_query_scratchpad_md));
  const char* text = nullptr;
  if (dnnl().dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &text) == dnnl_success && text) name = text;
}

Primitive::~Primitive() {
  dnnl().dnnl_primitive_destroy(primitive);
  dnnl().dnnl_primitive_desc_destroy(desc);
}

const_dnnl_memory_desc_t Primitive::query(dnnl_query_t what, int index) const {
  return dnnl().dnnl_primitive_desc_query_md(desc, what, index);
}

Attributes::Attributes() {
  check(dnnl().dnnl_primitive_attr_create(&attr_), "creating attributes");
  // Without it a primitive keeps memory of its own, and cannot run in two threads at once.
  dnnl_status_t status = dnnl().dnnl_primitive_attr_set_scratchpad_mode(attr_, dnnl_scratchpad_mode_user);
  if (status != dnnl_success) dnnl().dnnl_primitive_attr_destroy(attr_);
  check(status, "setting attributes");
}

Attributes::~Attributes() { dnnl().dnnl_primitive_attr_destroy(attr_); }

namespace {

// oneDNN's view of somebody's memory.
class Memory {
 public:
  Memory(const_dnnl_memory_desc_t desc, void* data) {
    check(dnnl().dnnl_memory_create(&memory_, desc, dnnl().engine, data), "using memory");
  }
  Memory(Memory&& other) noexcept : memory_(other.memory_) { other.memory_ = nullptr; }
  ~Memory() {
    if (memory_ != nullptr) dnnl().dnnl_memory_destroy(memory_);
  }
  dnnl_memory_t get() const { return memory_; }

 private:
  dnnl_memory_t memory_ = nullptr;
};

}  // namespace

void execute(const Primitive& primitive, const Argument* arguments, int count) {
  Scratch scratch(primitive.scratch_bytes);
  std::vector<Memory> memories;
  memories.reserve(count + 1);
  std::vector<dnnl_exec_arg_t> given;
  given.reserve(count + 1);
  for (int i = 0; i < count; ++i) {
    memories.emplace_back(arguments[i].desc, arguments[i].data);
    given.push_back({arguments[i].index, memories.back().get()});
  }
  if (primitive.scratch_bytes != 0) {
    memories.emplace_back(primitive.query(dnnl_query_scratchpad_md), scratch.data());
    given.push_back({DNNL_ARG_SCRATCHPAD, memories.back().get()});
  }
  check(dnnl().dnnl_primitive_execute(primitive.primitive, stream(), static_cast<int>(given.size()), given.data()),
        "executing a primitive");
  check(dnnl().dnnl_stream_wait(stream()), "executing a primitive");
}

std::unique_ptr<Primitive> make_reorder(const_dnnl_memory_desc_t from, const_dnnl_memory_desc_t to) {
  dnnl_primitive_desc_t desc = nullptr;
  Attributes attributes;
  check(dnnl().dnnl_reorder_primitive_desc_create(&desc, from, dnnl().engine, to, dnnl().engine, attributes.get()),
        "changing a layout");
  return std::make_unique<Primitive>(desc);
}

void reorder(const_dnnl_memory_desc_t from, const void* source, const_dnnl_memory_desc_t to, void* target) {
  // Made anew each time: oneDNN keeps the primitives themselves, by descriptor, in a cache of its own.
  std::unique_ptr<Primitive> primitive;
  {
    std::lock_guard<std::mutex> lock(making_primitives());
    primitive = make_reorder(from, to);
  }
  Argument arguments[] = {{DNNL_ARG_FROM, from, const_cast<void*>(source)}, {DNNL_ARG_TO, to, target}};
  execute(*primitive, arguments, 2);
}

MemoryDesc clone(const_dnnl_memory_desc_t desc) {
  dnnl_memory_desc_t copy = nullptr;
  check(dnnl().dnnl_memory_desc_clone(&copy, desc), "describing memory");
  return MemoryDesc(copy);
}

MemoryDesc part_of(const_dnnl_memory_desc_t desc, int dimensions, const int64_t* sizes, int axis, int64_t first,
                   int64_t last) {
  dnnl_dims_t extents, offsets = {};
  std::copy(sizes, sizes + dimensions, extents);
  extents[axis] = last - first;
  offsets[axis] = first;
  dnnl_memory_desc_t part = nullptr;
  if (dnnl().dnnl_memory_desc_create_submemory(&part, desc, extents, offsets) != dnnl_success) return nullptr;
  return MemoryDesc(part);
}

}  // namespace everflow
