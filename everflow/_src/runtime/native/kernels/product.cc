#include "product.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <vector>

#include "cache.h"
#include "dnnl_api.h"
#include "scratch.h"
#include "vectors.h"

namespace everflow {

namespace {

constexpr int64_t kLargestExtent = int64_t{1} << 31;
constexpr double kMostElements = 1e12;
// Less work than this is done before a second thread has woken up.
constexpr double kWorthASecondThread = 6e6;
// Kernels work on tiles of about this size; cutting through one wastes it.
constexpr int64_t kTile = 16;

struct Piece {
  int64_t first_product, last_product;
  int64_t row, rows, column, columns, start, inner;
};

// What a primitive is made for. The left matrices lie without gaps; rows of the result, and of a right matrix that is
// not transposed, begin `width` numbers after each other. All numbers, so that it is a key.
struct PlanKey {
  int64_t type, count, rows, columns, inner, transpose_a, transpose_b, width;
};

struct Plan {
  std::unique_ptr<Primitive> primitive;
  MemoryDesc a, b, result;
};

MemoryDesc matrices(const PlanKey& key, int64_t rows, int64_t columns, int64_t width, bool transposed) {
  const int64_t sizes[3] = {key.count, rows, columns};
  const int64_t strides[3] = {transposed ? rows * columns : rows * width, transposed ? 1 : width, transposed ? rows : 1};
  return describe(3, sizes, key.type == 1 ? dnnl_bf16 : dnnl_f32, strides);
}

std::shared_ptr<const Plan> make_plan(const PlanKey& key) {
  OnThisThread single;
  std::lock_guard<std::mutex> lock(making_primitives());
  auto plan = std::make_shared<Plan>();
  plan->a = matrices(key, key.rows, key.inner, key.inner, key.transpose_a == 1);
  plan->b = matrices(key, key.inner, key.columns, key.width, key.transpose_b == 1);
  plan->result = matrices(key, key.rows, key.columns, key.width, false);
  Attributes attributes;
  dnnl_primitive_desc_t desc = nullptr;
  check(dnnl().dnnl_matmul_primitive_desc_create(&desc, dnnl().engine, plan->a.get(), plan->b.get(), nullptr,
                                                 plan->result.get(), attributes.get()),
        "product of matrices");
  plan->primitive = std::make_unique<Primitive>(desc);
  return plan;
}

std::shared_ptr<const Plan> plan_for(const PlanKey& key) {
  // Lives as long as the process: threads may still be at work when statics die.
  static auto* plans = new Cache<PlanKey, Plan>;
  return plans->get(key, [&] { return make_plan(key); });
}

bool has_bfloat16() {
  const int needed = dnnl_cpu_isa_avx512_core_bf16;
  return (dnnl().dnnl_get_effective_cpu_isa() & needed) == needed;
}

// A piece of products, and where it lies.
class Work {
 public:
  Work(const ProductShape& s, const Piece& p) : s_(s), p_(p) {}

  // The plan of a blocked kernel (for wide vectors, or for tiles); null where the piece has none, or has gaps.
  std::shared_ptr<const Plan> blocked() const {
    const bool rows_cut = p_.rows != s_.rows;
    const bool is_one = p_.last_product - p_.first_product == 1;
    const bool columns_cut = p_.columns != s_.columns;
    if (s_.type == 1 && !has_bfloat16()) return nullptr;
    if (p_.inner != s_.inner || (columns_cut && (!is_one || (s_.type == 0 && !s_.transpose_b))) ||
        (rows_cut && (!is_one || !can_be_packed()))) {
      return nullptr;
    }
    std::shared_ptr<const Plan> plan = plan_for(
        {s_.type, p_.last_product - p_.first_product, p_.rows, p_.columns, p_.inner, s_.transpose_a, s_.transpose_b,
         s_.columns});
    // Columns of a right matrix are read by a kernel of another name, which is as fast.
    const std::string& name = plan->primitive->name;
    return name.rfind("brg", 0) == 0 || (columns_cut && name == "gemm:jit:bf16") ? plan : nullptr;
  }

  void run(const void* a, const void* b, void* result) const {
    const int64_t bytes = s_.type == 1 ? 2 : 4;
    const auto at = [bytes](const void* base, int64_t offset) {
      return static_cast<char*>(const_cast<void*>(base)) + offset * bytes;
    };
    const int64_t lda = s_.transpose_a ? s_.rows : s_.inner, ldb = s_.transpose_b ? s_.inner : s_.columns;
    const char* left = at(a, p_.first_product * s_.rows * s_.inner +
                                 (s_.transpose_a ? p_.start * lda + p_.row : p_.row * lda + p_.start));
    const char* right = at(b, p_.first_product * s_.inner * s_.columns +
                                  (s_.transpose_b ? p_.column * ldb + p_.start : p_.start * ldb + p_.column));
    char* target = at(result, p_.first_product * s_.rows * s_.columns + p_.row * s_.columns + p_.column);
    if (std::shared_ptr<const Plan> plan = blocked()) {
      const bool has_gaps = s_.transpose_a && p_.rows != s_.rows;
      Scratch packed(has_gaps ? p_.inner * p_.rows * bytes : 0);
      if (has_gaps) {
        for (int64_t i = 0; i < p_.inner; ++i) {
          std::memcpy(static_cast<char*>(packed.data()) + i * p_.rows * bytes, left + i * lda * bytes, p_.rows * bytes);
        }
        left = static_cast<const char*>(packed.data());
      }
      Argument arguments[] = {{DNNL_ARG_SRC, plan->a.get(), const_cast<char*>(left)},
                              {DNNL_ARG_WEIGHTS, plan->b.get(), const_cast<char*>(right)},
                              {DNNL_ARG_DST, plan->result.get(), target}};
      execute(*plan->primitive, arguments, 3);
      return;
    }
    if (s_.type == 1) throw Failure("product of matrices: no kernel for bfloat16");
    for (int64_t i = 0; i < p_.last_product - p_.first_product; ++i) {
      check(dnnl().dnnl_sgemm(s_.transpose_a ? 'T' : 'N', s_.transpose_b ? 'T' : 'N', p_.rows, p_.columns, p_.inner,
                              1.0f, reinterpret_cast<const float*>(left) + i * s_.rows * s_.inner, lda,
                              reinterpret_cast<const float*>(right) + i * s_.inner * s_.columns, ldb, 0.0f,
                              reinterpret_cast<float*>(target) + i * s_.rows * s_.columns, s_.columns),
            "product of matrices");
    }
  }

 private:
  // Rows of a transposed left matrix are copied for a kernel that is much faster; in single precision none is.
  bool can_be_packed() const { return !s_.transpose_a || s_.type == 1; }

  const ProductShape& s_;
  const Piece p_;
};

// The i-th of `parts` parts of an extent, cut between tiles.
void part(int64_t extent, int64_t i, int64_t parts, int64_t* first, int64_t* length) {
  const Part found(extent, static_cast<int>(i), static_cast<int>(parts), kTile);
  *first = found.first;
  *length = found.rows;
}

// A small result with long sums of single precision: it is the sums that are cut.
bool sums_are_cut(const ProductShape& s, int64_t threads) {
  return s.type == 0 && s.count < threads && std::max(s.rows, s.columns) < 2 * kTile * threads &&
         s.inner >= 16 * std::max(s.rows, s.columns);
}

std::vector<Piece> cut(const ProductShape& s, int64_t threads) {
  const Piece whole{0, s.count, 0, s.rows, 0, s.columns, 0, s.inner};
  const bool by_sums = sums_are_cut(s, threads);
  // A transposed right matrix is rearranged by whoever reads it, so each thread gets columns of its own, unless that is
  // little beside the rows. In bfloat16 the kernel for columns is only better than one thread where there is but one row.
  const bool is_little = s.columns < 4 * kTile * threads || s.rows >= 2 * s.columns;
  const bool by_rows = s.type == 1 ? s.count > 1 || s.rows > 1
                                   : s.rows >= s.columns && (!s.transpose_b || is_little);
  std::vector<Piece> pieces;
  if (s.count > 1 && s.count < threads && by_rows && !by_sums) {
    const int64_t parts = (threads + s.count - 1) / s.count;
    for (int64_t i = 0; i < s.count * parts; ++i) {
      Piece piece = whole;
      piece.first_product = i / parts;
      piece.last_product = piece.first_product + 1;
      part(s.rows, i % parts, parts, &piece.row, &piece.rows);
      if (piece.rows > 0) pieces.push_back(piece);
    }
    return pieces;
  }
  for (int64_t i = 0; i < threads; ++i) {
    Piece piece = whole;
    if (s.count >= threads) {
      piece.first_product = s.count * i / threads;
      piece.last_product = s.count * (i + 1) / threads;
    } else if (by_sums) {
      part(s.inner, i, threads, &piece.start, &piece.inner);
    } else if (by_rows) {
      part(s.rows, i, threads, &piece.row, &piece.rows);
    } else {
      part(s.columns, i, threads, &piece.column, &piece.columns);
    }
    if (piece.rows > 0 && piece.columns > 0 && piece.inner > 0) pieces.push_back(piece);
  }
  return pieces;
}

// What comes behind, done to a piece of the result.
void work_on(const ProductShape& s, const ProductBehind& behind, const Piece& piece, float* result) {
  if (!s.bias && !s.relu && !s.positive) return;
  for (int64_t row = piece.row; row < piece.row + piece.rows; ++row) {
    const int64_t first = row * s.columns + piece.column;
    if (s.bias) add(behind.bias + piece.column, piece.columns, result + first);
    if (s.relu) rectify(result + first, piece.columns);
    if (s.positive) keep_where_positive(behind.positive + first, piece.columns, result + first);
  }
}

int64_t threads_for(const ProductShape& s, const Workers& workers) {
  const double work = 2.0 * s.count * s.rows * s.columns * s.inner;
  return static_cast<int64_t>(std::min<double>(workers.count(), 1 + work / kWorthASecondThread));
}

}  // namespace

ProductShape ProductShape::parse(const int64_t* numbers, int64_t count) {
  static_assert(sizeof(ProductShape) == kNumbers * sizeof(int64_t), "the record is its numbers");
  if (count != kNumbers) throw Failure("product: the description is incomplete");
  ProductShape s;
  std::memcpy(&s, numbers, sizeof(s));
  if (s.type != 0 && s.type != 1) throw Failure("product: unknown type");
  for (int64_t extent : {s.count, s.rows, s.columns, s.inner}) {
    if (extent <= 0 || extent >= kLargestExtent) throw Failure("product: an extent is out of range");
  }
  const double most = static_cast<double>(s.count) *
                      std::max({static_cast<double>(s.rows) * s.inner, static_cast<double>(s.inner) * s.columns,
                                static_cast<double>(s.rows) * s.columns});
  if (most > kMostElements) throw Failure("product: too many elements");
  if (s.transpose_a < 0 || s.transpose_a > 1 || s.transpose_b < 0 || s.transpose_b > 1) {
    throw Failure("product: a flag is neither 0 nor 1");
  }
  for (int64_t flag : {s.bias, s.relu, s.positive}) {
    if (flag != 0 && (flag != 1 || s.type != 0 || s.count != 1)) {
      throw Failure("product: what comes behind belongs to one product in single precision");
    }
  }
  return s;
}

std::string product_implementation(const ProductShape& s) {
  std::string name;
  try {
    for (const Piece& piece : cut(s, threads_for(s, own_workers()))) {
      std::shared_ptr<const Plan> plan = Work(s, piece).blocked();
      if (plan == nullptr) {
        if (s.type == 1) return "";
        const bool wide = (dnnl().dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
        return wide ? "gemm:avx512_core" : "gemm";
      }
      name = plan->primitive->name;
    }
  } catch (const Failure&) {
    return "";  // oneDNN refuses it
  }
  return name;
}

void product(Workers& workers, const ProductShape& s, const void* a, const void* b, const ProductBehind& behind,
             void* result) {
  const int64_t threads = threads_for(s, workers);
  float* numbers = static_cast<float*>(result);
  std::vector<Piece> pieces = cut(s, threads);
  if (s.type == 1 && !std::all_of(pieces.begin(), pieces.end(), [&](const Piece& piece) {
        return Work(s, piece).blocked() != nullptr;
      })) {
    // What was asked before was for as many threads as we have; XLA may have more, and smaller pieces not be taken.
    pieces = cut(s, 1);
  }
  const int count = static_cast<int>(pieces.size());
  if (!sums_are_cut(s, threads)) {
    parallel(workers, count, [&](int i) {
      const Piece& piece = pieces[i];
      Work(s, piece).run(a, b, result);
      work_on(s, behind, piece, numbers);
    });
    return;
  }
  // Every thread sums a part of each, and the parts are added in order.
  const int64_t elements = s.count * s.rows * s.columns;
  std::vector<Scratch> sums;
  for (int i = 1; i < count; ++i) sums.emplace_back(elements * sizeof(float));
  parallel(workers, count, [&](int i) {
    Work(s, pieces[i]).run(a, b, i == 0 ? result : sums[i - 1].data());
  });
  for (const Scratch& sum : sums) add(sum.floats(), elements, numbers);
  work_on(s, behind, {0, 1, 0, s.rows, 0, s.columns, 0, s.inner}, numbers);
}

}  // namespace everflow
