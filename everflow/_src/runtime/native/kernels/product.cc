#include "product.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "dnnl_api.h"
#include "scratch.h"

namespace everflow {

namespace {

constexpr int64_t kLargestExtent = int64_t{1} << 31;
constexpr double kMostElements = 1e12;
// Less work than this is done before a second thread has woken up.
constexpr double kWorthASecondThread = 2e6;
// Kernels work on tiles of about this size; cutting through one wastes it.
constexpr int64_t kTile = 16;

struct Piece {
  int64_t first_product, last_product;
  int64_t row, rows, column, columns, start, inner;
};

void run(const ProductShape& s, const Piece& p, const float* a, const float* b, float* result, int64_t result_step) {
  const int64_t lda = s.transpose_a ? s.rows : s.inner, ldb = s.transpose_b ? s.inner : s.columns;
  const int64_t a_offset = s.transpose_a ? p.start * lda + p.row : p.row * lda + p.start;
  const int64_t b_offset = s.transpose_b ? p.column * ldb + p.start : p.start * ldb + p.column;
  for (int64_t i = p.first_product; i < p.last_product; ++i) {
    check(dnnl().dnnl_sgemm(s.transpose_a ? 'T' : 'N', s.transpose_b ? 'T' : 'N', p.rows, p.columns, p.inner, 1.0f,
                            a + i * s.rows * s.inner + a_offset, lda, b + i * s.inner * s.columns + b_offset, ldb, 0.0f,
                            result + i * s.rows * s.columns + p.row * result_step + p.column, result_step),
          "product of matrices");
  }
}

// The i-th of `parts` parts of an extent, cut between tiles.
void part(int64_t extent, int64_t i, int64_t parts, int64_t* first, int64_t* length) {
  const int64_t tiles = (extent + kTile - 1) / kTile;
  *first = std::min(extent, tiles * i / parts * kTile);
  *length = std::min(extent, tiles * (i + 1) / parts * kTile) - *first;
}

}  // namespace

ProductShape ProductShape::parse(const int64_t* numbers, int64_t count) {
  static_assert(sizeof(ProductShape) == kNumbers * sizeof(int64_t), "the record is its numbers");
  if (count != kNumbers) throw Failure("product: the description is incomplete");
  ProductShape s;
  std::memcpy(&s, numbers, sizeof(s));
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
  return s;
}

void product(Workers& workers, const ProductShape& s, const float* a, const float* b, float* result) {
  const double work = 2.0 * s.count * s.rows * s.columns * s.inner;
  const int64_t threads =
      static_cast<int64_t>(std::min<double>(workers.count(), 1 + work / kWorthASecondThread));
  const Piece whole{0, s.count, 0, s.rows, 0, s.columns, 0, s.inner};
  std::vector<Piece> pieces;
  if (s.count >= threads) {
    for (int64_t i = 0; i < threads; ++i) {
      pieces.push_back(whole);
      pieces.back().first_product = s.count * i / threads;
      pieces.back().last_product = s.count * (i + 1) / threads;
    }
  } else if (std::max(s.rows, s.columns) >= 2 * kTile * threads || s.inner < 16 * std::max(s.rows, s.columns)) {
    const bool by_rows = s.rows >= s.columns;
    for (int64_t i = 0; i < threads; ++i) {
      Piece piece = whole;
      if (by_rows) {
        part(s.rows, i, threads, &piece.row, &piece.rows);
      } else {
        part(s.columns, i, threads, &piece.column, &piece.columns);
      }
      if (piece.rows > 0 && piece.columns > 0) pieces.push_back(piece);
    }
  } else {
    // A small result with long sums: every thread sums a part of each, and the parts are added in order.
    const int64_t elements = s.count * s.rows * s.columns;
    std::vector<Scratch> sums;
    for (int64_t i = 0; i < threads; ++i) {
      Piece piece = whole;
      part(s.inner, i, threads, &piece.start, &piece.inner);
      if (piece.inner > 0) pieces.push_back(piece);
    }
    for (size_t i = 1; i < pieces.size(); ++i) sums.emplace_back(elements * sizeof(float));
    parallel(workers, static_cast<int>(pieces.size()), [&](int i) {
      run(s, pieces[i], a, b, i == 0 ? result : sums[i - 1].floats(), s.columns);
    });
    for (const Scratch& sum : sums) {
      for (int64_t i = 0; i < elements; ++i) result[i] += sum.floats()[i];
    }
    return;
  }
  parallel(workers, static_cast<int>(pieces.size()), [&](int i) { run(s, pieces[i], a, b, result, s.columns); });
}

}  // namespace everflow
