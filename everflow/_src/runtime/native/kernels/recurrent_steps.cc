#include "recurrent_steps.h"

#include <algorithm>

#include "vectors.h"

namespace everflow {

namespace {

template <bool kPeephole, bool kClip>
EVERFLOW_INLINE void step_rows(const LstmForm& form, const LstmWeights& weights, int64_t rows, const float* sums,
                               const float* cs_prev, const LstmGates& gates) {
  const int64_t cells = form.cells;
  const float forget_bias = form.forget_bias, clip = form.cell_clip;
  const float *wci = weights.wci, *wcf = weights.wcf, *wco = weights.wco;
  const float *bi = weights.b + form.columns.i, *bc = weights.b + form.columns.c;
  const float *bf = weights.b + form.columns.f, *bo = weights.b + form.columns.o;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t at = row * cells;
    const float* in = sums + 4 * at;
    const float *si = in + form.columns.i, *sc = in + form.columns.c, *sf = in + form.columns.f;
    const float *so = in + form.columns.o, *before = cs_prev + at;
    float *i_out = gates.i + at, *cs_out = gates.cs + at, *f_out = gates.f + at, *o_out = gates.o + at;
    float *ci_out = gates.ci + at, *co_out = gates.co + at, *h_out = gates.h + at;
#pragma GCC ivdep
    for (int64_t c = 0; c < cells; ++c) {
      float i_sum = si[c] + bi[c], f_sum = sf[c] + bf[c], o_sum = so[c] + bo[c];
      if (kPeephole) {
        i_sum += before[c] * wci[c];
        f_sum += before[c] * wcf[c];
      }
      const float i = sigmoid(i_sum), f = sigmoid(f_sum + forget_bias), ci = tanh_of(sc[c] + bc[c]);
      float cs = ci * i + before[c] * f;
      if (kClip) {  // a NaN stays one
        cs = cs > clip ? clip : cs;
        cs = cs < -clip ? -clip : cs;
      }
      if (kPeephole) o_sum += cs * wco[c];
      const float o = sigmoid(o_sum), co = tanh_of(cs);
      i_out[c] = i;
      cs_out[c] = cs;
      f_out[c] = f;
      o_out[c] = o;
      ci_out[c] = ci;
      co_out[c] = co;
      h_out[c] = co * o;
    }
  }
}

template <bool kPeephole>
EVERFLOW_INLINE void step_back_rows(const LstmForm& form, const LstmWeights& weights, int64_t rows,
                                    const float* cs_prev, const LstmGatesGiven& gates, const float* cs_grad,
                                    const float* h_grad, const float* h_state, float* cs_state, float* sums,
                                    float* peepholes) {
  const int64_t cells = form.cells;
  const float *wci = weights.wci, *wcf = weights.wcf, *wco = weights.wco;
  float *of_wci = peepholes, *of_wcf = peepholes + cells, *of_wco = peepholes + 2 * cells;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t at = row * cells;
    const float *i_in = gates.i + at, *cs_in = gates.cs + at, *f_in = gates.f + at, *o_in = gates.o + at;
    const float *ci_in = gates.ci + at, *co_in = gates.co + at, *before = cs_prev + at;
    const float *dcs = cs_grad + at, *dh = h_grad + at, *behind_h = h_state + at;
    float* behind_cs = cs_state + at;
    float* out = sums + 4 * at;
    float *si = out + form.columns.i, *sc = out + form.columns.c, *sf = out + form.columns.f;
    float* so = out + form.columns.o;
#pragma GCC ivdep
    for (int64_t c = 0; c < cells; ++c) {
      const float i = i_in[c], f = f_in[c], o = o_in[c], ci = ci_in[c], co = co_in[c];
      const float h = dh[c] + behind_h[c];
      const float by_o = o * (1.0f - o) * h * co;
      float cell = (1.0f - co * co) * h * o + (dcs[c] + behind_cs[c]);
      if (kPeephole) cell += by_o * wco[c];
      const float by_f = f * (1.0f - f) * cell * before[c];
      const float by_i = i * (1.0f - i) * cell * ci;
      si[c] = by_i;
      sc[c] = (1.0f - ci * ci) * cell * i;
      sf[c] = by_f;
      so[c] = by_o;
      float passed = cell * f;
      if (kPeephole) {
        passed += by_i * wci[c] + by_f * wcf[c];
        of_wci[c] += by_i * before[c];
        of_wcf[c] += by_f * before[c];
        of_wco[c] += by_o * cs_in[c];
      }
      behind_cs[c] = passed;
    }
  }
}

}  // namespace

EVERFLOW_VECTORS
void lstm_step(const LstmForm& form, const LstmWeights& weights, int64_t rows, const float* sums, const float* cs_prev,
               const LstmGates& gates) {
  const bool clip = form.cell_clip > 0.0f;
  if (form.peephole) {
    clip ? step_rows<true, true>(form, weights, rows, sums, cs_prev, gates)
         : step_rows<true, false>(form, weights, rows, sums, cs_prev, gates);
  } else {
    clip ? step_rows<false, true>(form, weights, rows, sums, cs_prev, gates)
         : step_rows<false, false>(form, weights, rows, sums, cs_prev, gates);
  }
}

EVERFLOW_VECTORS
void lstm_step_back(const LstmForm& form, const LstmWeights& weights, int64_t rows, const float* cs_prev,
                    const LstmGatesGiven& gates, const float* cs_grad, const float* h_grad, const float* h_state,
                    float* cs_state, float* sums, float* peepholes) {
  if (form.peephole) {
    step_back_rows<true>(form, weights, rows, cs_prev, gates, cs_grad, h_grad, h_state, cs_state, sums, peepholes);
  } else {
    step_back_rows<false>(form, weights, rows, cs_prev, gates, cs_grad, h_grad, h_state, cs_state, sums, peepholes);
  }
}

EVERFLOW_VECTORS
void gru_gates(int64_t rows, int64_t cells, const float* sums, const float* b, const float* h_prev, float* r, float* u,
               float* reset) {
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t at = row * cells;
#pragma GCC ivdep
    for (int64_t c = 0; c < cells; ++c) {
      const float value = sigmoid(sums[2 * at + c] + b[c]);
      r[at + c] = value;
      u[at + c] = sigmoid(sums[2 * at + cells + c] + b[cells + c]);
      reset[at + c] = h_prev[at + c] * value;
    }
  }
}

EVERFLOW_VECTORS
void gru_state(int64_t rows, int64_t cells, const float* sums, const float* b, const float* h_prev, const float* u,
               float* c, float* h) {
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t at = row * cells;
#pragma GCC ivdep
    for (int64_t k = 0; k < cells; ++k) {
      const float value = tanh_of(sums[at + k] + b[k]), update = u[at + k];
      c[at + k] = value;
      h[at + k] = update * h_prev[at + k] + (1.0f - update) * value;
    }
  }
}

EVERFLOW_VECTORS
void gru_candidate_back(int64_t elements, const float* u, const float* c, const float* h_grad, float* c_grad) {
#pragma GCC ivdep
  for (int64_t k = 0; k < elements; ++k) c_grad[k] = h_grad[k] * (1.0f - u[k]) * (1.0f - c[k] * c[k]);
}

EVERFLOW_VECTORS
void gru_gates_back(int64_t rows, int64_t cells, const float* h_prev, const GruGatesGiven& gates, const float* h_grad,
                    const float* reset_grad, float* ru_grad, float* h_prev_grad) {
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t at = row * cells;
    const float *r_in = gates.r + at, *u_in = gates.u + at, *c_in = gates.c + at;
    const float *before = h_prev + at, *dh = h_grad + at, *dreset = reset_grad + at;
    float *of_r = ru_grad + 2 * at, *of_u = of_r + cells, *of_h = h_prev_grad + at;
#pragma GCC ivdep
    for (int64_t k = 0; k < cells; ++k) {
      const float r = r_in[k], u = u_in[k];
      of_r[k] = dreset[k] * before[k] * r * (1.0f - r);
      of_u[k] = dh[k] * (before[k] - c_in[k]) * u * (1.0f - u);
      of_h[k] = dreset[k] * r + dh[k] * u;
    }
  }
}

EVERFLOW_VECTORS
void add_rows(const float* values, int64_t rows, int64_t stride, int64_t columns, float* total) {
  // Columns in pieces that stay in the nearest cache; four rows are added up before their sum is.
  constexpr int64_t kPiece = 1024;
  for (int64_t first = 0; first < columns; first += kPiece) {
    const int64_t last = std::min(columns, first + kPiece);
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4) {
      const float* r = values + row * stride;
#pragma GCC ivdep
      for (int64_t c = first; c < last; ++c) {
        total[c] += (r[c] + r[stride + c]) + (r[2 * stride + c] + r[3 * stride + c]);
      }
    }
    for (; row < rows; ++row) {
      const float* r = values + row * stride;
#pragma GCC ivdep
      for (int64_t c = first; c < last; ++c) total[c] += r[c];
    }
  }
}

}  // namespace everflow
