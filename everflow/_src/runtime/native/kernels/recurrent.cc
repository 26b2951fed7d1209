// The batch is cut into one part per thread, and every thread goes through the time steps of its rows by itself: nobody
// waits for anybody from step to step. Products that need not wait for the step before them are done for many steps at
// once, and are cut among all threads however small the batch is.
#include "recurrent.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "dnnl_api.h"
#include "recurrent_steps.h"
#include "scratch.h"
#include "vectors.h"

namespace everflow {

namespace {

constexpr int64_t kLargestExtent = int64_t{1} << 31;
constexpr double kMostElements = 1e12;
// Less work than this is done before a second thread has woken up.
constexpr double kWorthASecondThread = 4e6;
// A product of fewer rows waits for its weights.
constexpr int64_t kFewestRows = 4;
// Rows of products over several steps: of one part, enough for their speed and few enough for the cache; of all, enough
// that waiting for each other between them does not matter, and few enough for the memory.
constexpr int64_t kRowsOfPart = 128;
constexpr int64_t kRowsOfAll = 2048;
// Products are cut between tiles of about this size.
constexpr int64_t kTile = 16;
// From so many steps on, and so many rows, transposing the weights first is faster than reading them so in every step.
constexpr int64_t kTransposeSteps = 8;
constexpr int64_t kTransposeRows = 8;

// result = a x b, plus `beta` times what the result was.
void multiply(char transpose_a, char transpose_b, int64_t rows, int64_t columns, int64_t inner, const float* a,
              int64_t lda, const float* b, int64_t ldb, float beta, float* result, int64_t ldc) {
  check(dnnl().dnnl_sgemm(transpose_a, transpose_b, rows, columns, inner, 1.0f, a, lda, b, ldb, beta, result, ldc),
        "product of a recurrent layer");
}

// How many threads there is work for.
int threads_for(const Workers& workers, const RecurrentShape& s, int64_t steps) {
  const double work = 8.0 * steps * s.batch * s.cells * (s.size + s.cells);
  return static_cast<int>(std::min<double>(workers.count(), 1 + work / kWorthASecondThread));
}

// Into how many parts the batch is cut for them.
int parts_of(const RecurrentShape& s, int threads) {
  return static_cast<int>(std::clamp<int64_t>(s.batch / kFewestRows, 1, threads));
}

float number(int64_t bits) { return of_bits(static_cast<uint32_t>(bits)); }

GateOffsets offsets_of(const RecurrentShape& s) {
  const int64_t second = s.cells, third = 2 * s.cells;
  return {0, s.order == 0 ? second : third, s.order == 0 ? third : second, 3 * s.cells};
}

// [rows, columns] to [columns, rows].
void transpose(const float* source, int64_t rows, int64_t columns, float* target) {
  const int64_t sizes[2] = {rows, columns}, from[2] = {columns, 1}, to[2] = {1, rows};
  const MemoryDesc source_desc = describe(2, sizes, dnnl_f32, from), target_desc = describe(2, sizes, dnnl_f32, to);
  OnThisThread single;
  reorder(source_desc.get(), source, target_desc.get(), target);
}

// What both passes of an LSTM over a sequence know.
class Layer {
 public:
  Layer(const RecurrentShape& s, const float* const* operands, float* const* results)
      : s_(s),
        form_{offsets_of(s), s.cells, number(s.forget_bias), number(s.cell_clip), s.peephole == 1},
        weights_{operands[4], operands[5], operands[6], operands[7]},
        operands_(operands),
        results_(results) {}

 protected:
  // Columns of all gates.
  int64_t wide() const { return 4 * s_.cells; }
  // The weights of the hidden states, [cells, wide].
  const float* recurrent_w() const { return operands_[3] + s_.size * wide(); }

  const RecurrentShape& s_;
  const LstmForm form_;
  const LstmWeights weights_;
  const float* const* operands_;
  float* const* results_;
};

// The forward pass.
class Forward : private Layer {
 public:
  using Layer::Layer;

  void run(Workers& workers, int64_t length) const {
    const int threads = threads_for(workers, s_, length), parts = parts_of(s_, threads);
    if (parts == 1 && threads > 1) {
      all_at_once(workers, threads, length);
    } else {
      parallel(workers, parts, [&](int i) { go_through(Part(s_.batch, i, parts), length); });
    }
    const int64_t state = s_.batch * s_.cells;
    for (int k = 0; k < 7; ++k) {
      std::memset(results_[k] + length * state, 0, (s_.steps - length) * state * sizeof(float));
    }
  }

 private:
  // A part of the batch, by a thread that needs no other.
  void go_through(const Part& part, int64_t length) const {
    const int64_t together = std::clamp<int64_t>(kRowsOfPart / part.rows, 1, std::max<int64_t>(length, 1));
    const bool packed = together > 1 && part.rows != s_.batch;
    Scratch inputs(packed ? together * part.rows * s_.size * sizeof(float) : 0);
    Scratch columns(together * part.rows * wide() * sizeof(float));
    for (int64_t start = 0; start < length; start += together) {
      const int64_t steps = std::min(together, length - start);
      const float* rows = operands_[0] + (start * s_.batch + part.first) * s_.size;
      if (packed) {
        for (int64_t t = 0; t < steps; ++t) {
          std::memcpy(inputs.floats() + t * part.rows * s_.size, rows + t * s_.batch * s_.size,
                      part.rows * s_.size * sizeof(float));
        }
        rows = inputs.floats();
      }
      multiply_inputs(steps * part.rows, rows, columns.floats());
      take_steps(part, start, steps, columns.floats());
    }
  }

  // A batch that is too small to be cut: all threads multiply the inputs of many steps.
  void all_at_once(Workers& workers, int threads, int64_t length) const {
    const int64_t together = std::clamp<int64_t>(kRowsOfAll / s_.batch, 1, std::max<int64_t>(length, 1));
    Scratch columns(together * s_.batch * wide() * sizeof(float));
    for (int64_t start = 0; start < length; start += together) {
      const int64_t steps = std::min(together, length - start);
      parallel(workers, threads, [&](int i) {
        const Part rows(steps * s_.batch, i, threads, kTile);
        if (rows.rows == 0) return;
        multiply_inputs(rows.rows, operands_[0] + (start * s_.batch + rows.first) * s_.size,
                        columns.floats() + rows.first * wide());
      });
      OnThisThread single;
      take_steps(Part(s_.batch, 0, 1), start, steps, columns.floats());
    }
  }

  void multiply_inputs(int64_t rows, const float* inputs, float* columns) const {
    multiply('N', 'N', rows, wide(), s_.size, inputs, s_.size, operands_[3], wide(), 0.0f, columns, wide());
  }

  // `columns`: products of the inputs with their weights, [steps, rows of the part, wide].
  void take_steps(const Part& part, int64_t start, int64_t steps, float* columns) const {
    const int64_t state = s_.batch * s_.cells;
    float* const* r = results_;
    for (int64_t t = start; t < start + steps; ++t, columns += part.rows * wide()) {
      const int64_t at = part.first * s_.cells, here = t * state + at;
      const float* cs_before = t == 0 ? operands_[1] + at : r[1] + here - state;
      const float* h_before = t == 0 ? operands_[2] + at : r[6] + here - state;
      multiply('N', 'N', part.rows, wide(), s_.cells, h_before, s_.cells, recurrent_w(), wide(), 1.0f, columns, wide());
      lstm_step(form_, weights_, part.rows, columns, cs_before,
                {r[0] + here, r[1] + here, r[2] + here, r[3] + here, r[4] + here, r[5] + here, r[6] + here});
    }
  }
};

// The gradient.
class Backward : private Layer {
 public:
  using Layer::Layer;

  void run(Workers& workers, int64_t length) const {
    const int threads = threads_for(workers, s_, length), parts = parts_of(s_, threads);
    const int64_t state = s_.batch * s_.cells, both = s_.size + s_.cells;
    for (int k : {1, 2}) std::memset(results_[k], 0, state * sizeof(float));
    std::memset(results_[7], 0, wide() * sizeof(float));
    if (length == 0) std::memset(results_[3], 0, both * wide() * sizeof(float));
    const int64_t of_step = s_.batch * (s_.by_sums ? wide() : s_.size);
    std::memset(results_[0] + length * of_step, 0, (s_.steps - length) * of_step * sizeof(float));

    std::vector<Scratch> peepholes;
    for (int i = 0; i < parts; ++i) {
      peepholes.emplace_back(3 * s_.cells * sizeof(float));
      std::memset(peepholes.back().data(), 0, 3 * s_.cells * sizeof(float));
    }
    const bool turned = length >= kTransposeSteps && s_.batch / parts >= kTransposeRows;
    Scratch turned_w(turned ? s_.cells * wide() * sizeof(float) : 0);
    if (turned) transpose(recurrent_w(), s_.cells, wide(), turned_w.floats());

    const int64_t most = std::clamp<int64_t>(kRowsOfAll / s_.batch, 1, std::max<int64_t>(length, 1));
    const int64_t chunks = (length + most - 1) / most;
    const int64_t together = chunks == 0 ? 0 : (length + chunks - 1) / chunks;
    Scratch between(s_.by_sums ? 0 : together * s_.batch * wide() * sizeof(float));
    for (int64_t end = length; end > 0; end = std::max<int64_t>(0, end - together)) {
      const int64_t start = std::max<int64_t>(0, end - together);
      float* columns = s_.by_sums ? results_[0] + start * s_.batch * wide() : between.floats();
      parallel(workers, parts, [&](int i) {
        take_steps(Part(s_.batch, i, parts), start, end, turned_w.floats(), columns, peepholes[i].floats());
      });
      parallel(workers, threads, [&](int i) {
        const Part rows((end - start) * s_.batch, i, threads, kTile);
        if (rows.rows > 0 && !s_.by_sums) {
          multiply('N', 'T', rows.rows, s_.size, wide(), columns + rows.first * wide(), wide(), operands_[3], wide(),
                   0.0f, results_[0] + (start * s_.batch + rows.first) * s_.size, s_.size);
        }
        const Part of_w(wide(), i, threads, kTile);
        if (of_w.rows > 0) add_weights(of_w, start, end, columns, end == length);
      });
    }
    for (int i = 1; i < parts; ++i) add(peepholes[i].floats(), 3 * s_.cells, peepholes[0].floats());
    for (int k = 0; k < 3; ++k) {
      std::memcpy(results_[4 + k], peepholes[0].floats() + k * s_.cells, s_.cells * sizeof(float));
    }
  }

 private:
  // Steps [start, end) of a part of the batch; the gradients by the sums go into `columns`, [steps, batch, wide].
  // `turned`: the weights of the hidden states, transposed; null: they are read as they lie.
  void take_steps(const Part& part, int64_t start, int64_t end, const float* turned, float* columns,
                  float* peepholes) const {
    const int64_t state = s_.batch * s_.cells, at = part.first * s_.cells;
    const float* const* g = operands_ + 8;
    float *cs_state = results_[1] + at, *h_state = results_[2] + at;
    for (int64_t t = end - 1; t >= start; --t) {
      const int64_t here = t * state + at;
      float* sums = columns + ((t - start) * s_.batch + part.first) * wide();
      lstm_step_back(form_, weights_, part.rows, t == 0 ? operands_[1] + at : g[1] + here - state,
                     {g[0] + here, g[1] + here, g[2] + here, g[3] + here, g[4] + here, g[5] + here},
                     operands_[15] + here, operands_[16] + here, h_state, cs_state, sums, peepholes);
      const bool as_it_lies = turned == nullptr;
      multiply('N', as_it_lies ? 'T' : 'N', part.rows, s_.cells, wide(), sums, wide(),
               as_it_lies ? recurrent_w() : turned, as_it_lies ? wide() : s_.cells, 0.0f, h_state, s_.cells);
    }
  }

  // Columns of the gradients by the weights and by the bias, of steps [start, end).
  void add_weights(const Part& part, int64_t start, int64_t end, const float* columns, bool first) const {
    const float *mine = columns + part.first, *h = operands_[14];
    float *of_inputs = results_[3] + part.first, *of_states = of_inputs + s_.size * wide();
    float beta = first ? 0.0f : 1.0f;
    add_rows(mine, (end - start) * s_.batch, wide(), part.rows, results_[7] + part.first);
    multiply('T', 'N', s_.size, part.rows, (end - start) * s_.batch, operands_[0] + start * s_.batch * s_.size, s_.size,
             mine, wide(), beta, of_inputs, wide());
    if (start == 0) {  // the hidden states before the first step lie elsewhere
      multiply('T', 'N', s_.cells, part.rows, s_.batch, operands_[2], s_.cells, mine, wide(), beta, of_states, wide());
      mine += s_.batch * wide();
      beta = 1.0f;
      ++start;
    }
    if (start == end) return;
    multiply('T', 'N', s_.cells, part.rows, (end - start) * s_.batch, h + (start - 1) * s_.batch * s_.cells, s_.cells,
             mine, wide(), beta, of_states, wide());
  }
};

void lstm_cell_gradient(Workers& workers, const RecurrentShape& s, const float* const* operands,
                        float* const* results) {
  const LstmWeights weights{operands[1], operands[2], operands[3], nullptr};
  const LstmForm form{offsets_of(s), s.cells, 0.0f, 0.0f, s.peephole == 1};
  const int parts = parts_of(s, threads_for(workers, s, 1));
  std::vector<Scratch> sums;
  for (int i = 0; i < parts; ++i) sums.emplace_back(4 * s.cells * sizeof(float));
  parallel(workers, parts, [&](int i) {
    const Part part(s.batch, i, parts);
    const int64_t at = part.first * s.cells, elements = part.rows * s.cells;
    std::memset(sums[i].floats(), 0, 4 * s.cells * sizeof(float));
    std::memset(results[0] + at, 0, elements * sizeof(float));
    const Scratch nothing(elements * sizeof(float));
    std::memset(nothing.floats(), 0, elements * sizeof(float));
    const float* const* g = operands + 4;
    lstm_step_back(form, weights, part.rows, operands[0] + at,
                   {g[0] + at, g[1] + at, g[2] + at, g[3] + at, g[4] + at, g[5] + at}, operands[10] + at,
                   operands[11] + at, nothing.floats(), results[0] + at, results[1] + 4 * at, sums[i].floats());
  });
  for (int i = 1; i < parts; ++i) add(sums[i].floats(), 3 * s.cells, sums[0].floats());
  for (int k = 0; k < 3; ++k) std::memcpy(results[2 + k], sums[0].floats() + k * s.cells, s.cells * sizeof(float));
}

void gru_cell(Workers& workers, const RecurrentShape& s, const float* const* operands, float* const* results) {
  const float *x = operands[0], *h_prev = operands[1], *w_ru = operands[2], *w_c = operands[3];
  const int64_t cells = s.cells, two = 2 * cells;
  const int parts = parts_of(s, threads_for(workers, s, 1));
  parallel(workers, parts, [&](int i) {
    const Part part(s.batch, i, parts);
    const int64_t at = part.first * cells, rows = part.rows;
    const float *mine = x + part.first * s.size, *before = h_prev + at;
    Scratch columns(rows * two * sizeof(float)), reset(rows * cells * sizeof(float));
    float* sums = columns.floats();
    multiply('N', 'N', rows, two, s.size, mine, s.size, w_ru, two, 0.0f, sums, two);
    multiply('N', 'N', rows, two, cells, before, cells, w_ru + s.size * two, two, 1.0f, sums, two);
    gru_gates(rows, cells, sums, operands[4], before, results[0] + at, results[1] + at, reset.floats());
    multiply('N', 'N', rows, cells, s.size, mine, s.size, w_c, cells, 0.0f, sums, cells);
    multiply('N', 'N', rows, cells, cells, reset.floats(), cells, w_c + s.size * cells, cells, 1.0f, sums, cells);
    gru_state(rows, cells, sums, operands[5], before, results[1] + at, results[2] + at, results[3] + at);
  });
}

void gru_cell_gradient(Workers& workers, const RecurrentShape& s, const float* const* operands, float* const* results) {
  const float *h_prev = operands[1], *w_ru = operands[2], *w_c = operands[3];
  const int64_t cells = s.cells, two = 2 * cells, size = s.size;
  const int parts = parts_of(s, threads_for(workers, s, 1));
  parallel(workers, parts, [&](int i) {
    const Part part(s.batch, i, parts);
    const int64_t at = part.first * cells, rows = part.rows;
    const float *r = operands[4] + at, *u = operands[5] + at, *c = operands[6] + at, *h_grad = operands[7] + at;
    float *x_grad = results[0] + part.first * size, *h_prev_grad = results[1] + at;
    float *c_grad = results[2] + at, *ru_grad = results[3] + 2 * at;
    Scratch reset(rows * cells * sizeof(float));
    gru_candidate_back(rows * cells, u, c, h_grad, c_grad);
    multiply('N', 'T', rows, cells, cells, c_grad, cells, w_c + size * cells, cells, 0.0f, reset.floats(), cells);
    gru_gates_back(rows, cells, h_prev + at, {r, u, c}, h_grad, reset.floats(), ru_grad, h_prev_grad);
    multiply('N', 'T', rows, cells, two, ru_grad, two, w_ru + size * two, two, 1.0f, h_prev_grad, cells);
    multiply('N', 'T', rows, size, cells, c_grad, cells, w_c, cells, 0.0f, x_grad, size);
    multiply('N', 'T', rows, size, two, ru_grad, two, w_ru, two, 1.0f, x_grad, size);
  });
}

}  // namespace

RecurrentShape RecurrentShape::parse(const int64_t* numbers, int64_t count) {
  static_assert(sizeof(RecurrentShape) == kNumbers * sizeof(int64_t), "the record is its numbers");
  if (count != kNumbers) throw Failure("recurrent: the description is incomplete");
  RecurrentShape s;
  std::memcpy(&s, numbers, sizeof(s));
  if (s.kind < 0 || s.kind >= kKinds) throw Failure("recurrent: unknown kind");
  if (s.order < 0 || s.order > 1) throw Failure("recurrent: unknown order of gates");
  for (int64_t extent : {s.steps, s.batch, s.size, s.cells}) {
    if (extent <= 0 || extent >= kLargestExtent / 4) throw Failure("recurrent: an extent is out of range");
  }
  if (!s.has_length() && s.steps != 1) throw Failure("recurrent: a cell has one step");
  const double wide = 4.0 * s.cells, both = static_cast<double>(s.size) + s.cells;
  if (static_cast<double>(s.steps) * s.batch * std::max(wide, both) > kMostElements || both * wide > kMostElements) {
    throw Failure("recurrent: too many elements");
  }
  if (s.peephole < 0 || s.peephole > 1 || s.by_sums < 0 || s.by_sums > 1) {
    throw Failure("recurrent: a flag is neither 0 nor 1");
  }
  for (int64_t bits : {s.forget_bias, s.cell_clip}) {
    if (bits < 0 || bits >= int64_t{1} << 32) throw Failure("recurrent: a number has too many bits");
  }
  return s;
}

std::vector<int64_t> RecurrentShape::operand_elements() const {
  const int64_t state = batch * cells, x = batch * size, both = size + cells;
  switch (kind) {
    case kLstm:
    case kLstmCell:
      return {steps * x, state, state, both * 4 * cells, cells, cells, cells, 4 * cells};
    case kLstmGradient: {
      std::vector<int64_t> elements{steps * x, state, state, both * 4 * cells, cells, cells, cells, 4 * cells};
      elements.insert(elements.end(), 9, steps * state);
      return elements;
    }
    case kLstmCellGradient:
      return {state, cells, cells, cells, state, state, state, state, state, state, state, state};
    case kGruCell:
      return {x, state, both * 2 * cells, both * cells, 2 * cells, cells};
    default:
      return {x, state, both * 2 * cells, both * cells, state, state, state, state};
  }
}

std::vector<int64_t> RecurrentShape::result_elements() const {
  const int64_t state = batch * cells, x = batch * size;
  switch (kind) {
    case kLstm:
    case kLstmCell:
      return std::vector<int64_t>(7, steps * state);
    case kLstmGradient:
      return {by_sums ? steps * 4 * state : steps * x, state, state, (size + cells) * 4 * cells, cells, cells, cells,
              4 * cells};
    case kLstmCellGradient:
      return {state, 4 * state, cells, cells, cells};
    case kGruCell:
      return {state, state, state, state};
    default:
      return {x, state, state, 2 * state};
  }
}

void recurrent(Workers& workers, const RecurrentShape& s, int64_t length, const float* const* operands,
               float* const* results) {
  length = s.has_length() ? std::clamp<int64_t>(length, 0, s.steps) : 1;
  switch (s.kind) {
    case RecurrentShape::kLstm:
    case RecurrentShape::kLstmCell:
      return Forward(s, operands, results).run(workers, length);
    case RecurrentShape::kLstmGradient:
      return Backward(s, operands, results).run(workers, length);
    case RecurrentShape::kLstmCellGradient:
      return lstm_cell_gradient(workers, s, operands, results);
    case RecurrentShape::kGruCell:
      return gru_cell(workers, s, operands, results);
    default:
      return gru_cell_gradient(workers, s, operands, results);
  }
}

}  // namespace everflow
