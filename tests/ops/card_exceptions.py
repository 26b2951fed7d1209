"""What the meta-tests of tests/ops/test_cards.py do not ask of some operations.  These lists only shrink."""

# Operations whose value comes from elsewhere: from an attr, from what is fed, from nowhere.
NO_SAMPLE = {"Const", "FakeParam", "NoOp", "Placeholder", "PlaceholderWithDefault", "PyFuncStateless"}

# Inputs in which TensorFlow, and everflow with it, does not differentiate, though the value depends on them.
INPUTS_WITHOUT_GRADIENT = {
    "Betainc": {"a", "b"},
    "MatrixDiagPartV2": {"padding_value"},
    "MatrixDiagPartV3": {"padding_value"},
    "MatrixDiagV2": {"padding_value"},
    "MatrixDiagV3": {"padding_value"},
    "Polygamma": {"a"},
    "Zeta": {"x"},
}

# Outputs whose gradient TensorFlow, and everflow with it, does not pass on.
OUTPUTS_WITHOUT_GRADIENT = {
    "BlockLSTM": {"i", "f", "o", "ci", "co"},
    "BlockLSTMV2": {"i", "f", "o", "ci", "co"},
    "FusedBatchNorm": {"batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"},
    "FusedBatchNormV2": {"batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"},
    "FusedBatchNormV3": {
        "batch_mean",
        "batch_variance",
        "reserve_space_1",
        "reserve_space_2",
        "reserve_space_3",
    },
    "GRUBlockCell": {"r", "u", "c"},
    "LSTMBlockCell": {"i", "f", "o", "ci", "co"},
    "SoftmaxCrossEntropyWithLogits": {"backprop"},
    "SparseSoftmaxCrossEntropyWithLogits": {"backprop"},
}

# Operations whose gradient is not their derivative, on purpose.
# Cholesky reads one triangle and, as TensorFlow has it, gives the gradient to both; numbers drawn by rejection
# jump where the gradient tells how their distribution moves; the gradient of batch normalization takes its moments
# as operands and is differentiated, as in TensorFlow, as if they followed from the images (FusedBatchNormV3's
# second derivative is the test of that).
OWN_GRADIENT = {
    "Cholesky",
    "FusedBatchNormGradV3",
    "PreventGradient",
    "StatelessRandomGammaV2",
    "StatelessRandomGammaV3",
    "StopGradient",
}

# Operations whose gradient cannot be differentiated again.
NO_SECOND_GRADIENT = {
    "BlockLSTM": "BlockLSTMGrad has none in TensorFlow either",
    "BlockLSTMV2": "BlockLSTMGradV2 has none in TensorFlow either",
    "GRUBlockCell": "GRUBlockCellGrad has none in TensorFlow either",
    "Igamma": "IgammaGradA has none in TensorFlow either",
    "Igammac": "IgammaGradA has none in TensorFlow either",
    "LSTMBlockCell": "LSTMBlockCellGrad has none in TensorFlow either",
    "SoftmaxCrossEntropyWithLogits": "the slope by the labels counts as constant, as in TensorFlow",
}

# Operations that compile where they know the values of some operands, which the meta-test feeds.
HOST_FOR_FED_OPERANDS = {"StridedSlice", "StridedSliceGrad"}

# Compiled, these keep rows that NumPy drops, since sizes cannot depend on values there.
PADDED_WHEN_COMPILED = {"_SumDuplicateSlices"}
