// What happens to each cell of a recurrent layer in one step: loops without products, on the calling thread.
#pragma once

#include <cstdint>

#include "activations.h"

namespace everflow {

// Where the columns of an LSTM's gates begin: input, candidate, forget, output.
struct GateOffsets {
  int64_t i, c, f, o;
};

struct LstmForm {
  GateOffsets columns;
  int64_t cells;
  float forget_bias;
  float cell_clip;  // cells stay within it, on both sides of zero, where it is positive
  bool peephole;
};

struct LstmWeights {
  const float *wci, *wcf, *wco;  // read with peepholes only
  const float* b;
};

// What a step computes; [rows, cells] each.
struct LstmGates {
  float *i, *cs, *f, *o, *ci, *co, *h;
};

struct LstmGatesGiven {
  const float *i, *cs, *f, *o, *ci, *co;
};

struct GruGatesGiven {
  const float *r, *u, *c;
};

// `sums`, [rows, 4 * cells]: the products of the inputs and of the hidden states with the weights.
void lstm_step(const LstmForm& form, const LstmWeights& weights, int64_t rows, const float* sums, const float* cs_prev,
               const LstmGates& gates);

// The gradient by the sums goes into `sums`. `cs_state` is the gradient that the step behind passes by the cells, and
// becomes the one for the step before; `h_state` is the one by the hidden states. With peepholes, their gradients are
// added to `peepholes`, [3, cells].
void lstm_step_back(const LstmForm& form, const LstmWeights& weights, int64_t rows, const float* cs_prev,
                    const LstmGatesGiven& gates, const float* cs_grad, const float* h_grad, const float* h_state,
                    float* cs_state, float* sums, float* peepholes);

// r and u from their sums, and reset = h_prev * r.
void gru_gates(int64_t rows, int64_t cells, const float* sums, const float* b, const float* h_prev, float* r, float* u,
               float* reset);

// c from its sums, and h = u * h_prev + (1 - u) * c.
void gru_state(int64_t rows, int64_t cells, const float* sums, const float* b, const float* h_prev, const float* u,
               float* c, float* h);

// The gradient by the sums of c.
void gru_candidate_back(int64_t elements, const float* u, const float* c, const float* h_grad, float* c_grad);

// The gradient by the sums of r and u, and by h_prev so far as it does not go through them; `reset_grad` is the one by
// h_prev * r.
void gru_gates_back(int64_t rows, int64_t cells, const float* h_prev, const GruGatesGiven& gates, const float* h_grad,
                    const float* reset_grad, float* ru_grad, float* h_prev_grad);

// total += the sum of the rows, which are `stride` apart.
void add_rows(const float* values, int64_t rows, int64_t stride, int64_t columns, float* total);

}  // namespace everflow
