// Recurrent layers and cells in single precision, and their gradients: LSTM over a sequence, LSTM and GRU of one step.
#pragma once

#include <cstdint>
#include <vector>

#include "workers.h"

namespace everflow {

// The numbers of a layer, in the order in which Python packs them. Sequences are [steps, batch, size], states
// [batch, cells]; a matrix of weights has rows for the input and, below them, for the hidden state.
struct RecurrentShape {
  static constexpr int kNumbers = 10;
  enum Kind : int64_t { kLstm, kLstmGradient, kLstmCell, kLstmCellGradient, kGruCell, kGruCellGradient, kKinds };

  int64_t kind;
  int64_t order;  // of the columns of an LSTM's gates: 0 input, candidate, forget, output; 1 the middle ones swapped
  int64_t steps, batch, size, cells;
  int64_t peephole;
  int64_t by_sums;  // of kLstmGradient: 1 gives the gradient by the sums that go into the gates in place of x_grad
  int64_t forget_bias, cell_clip;  // bits of numbers in single precision

  // Throws Failure when the numbers make no sense.
  static RecurrentShape parse(const int64_t* numbers, int64_t count);

  // Whether the first operand, before the arrays, is the number of steps that count, an int64.
  bool has_length() const { return kind == kLstm || kind == kLstmGradient; }
  // Elements of the arrays that the kind takes, and of those that it gives, in their order:
  //   kLstm                x, cs_prev, h_prev, w, wci, wcf, wco, b -> i, cs, f, o, ci, co, h
  //   kLstmGradient        the same, i, cs, f, o, ci, co, h, cs_grad, h_grad -> x_grad, cs_prev_grad, h_prev_grad,
  //                        w_grad, wci_grad, wcf_grad, wco_grad, b_grad; by_sums: columns_grad, cs_prev_grad, ...
  //   kLstmCell            as kLstm
  //   kLstmCellGradient    cs_prev, wci, wcf, wco, i, cs, f, o, ci, co, cs_grad, h_grad -> cs_prev_grad, columns_grad,
  //                        wci_grad, wcf_grad, wco_grad
  //   kGruCell             x, h_prev, w_ru, w_c, b_ru, b_c -> r, u, c, h
  //   kGruCellGradient     x, h_prev, w_ru, w_c, r, u, c, h_grad -> x_grad, h_prev_grad, c_grad, ru_grad
  std::vector<int64_t> operand_elements() const;
  std::vector<int64_t> result_elements() const;
};

// `length`: steps that count, of a kind that has them; behind them all results are zero, and no operand is read.
void recurrent(Workers& workers, const RecurrentShape& shape, int64_t length, const float* const* operands,
               float* const* results);

}  // namespace everflow
