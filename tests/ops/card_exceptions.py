"""What the meta-tests of tests/ops/test_cards.py do not ask of some operations.  These lists only shrink."""

# Operations whose operands no sample can hold: state, functions, what sessions feed.
NO_SAMPLE = {
    "Const",
    "FakeParam",
    "NoOp",
    "Placeholder",
    "PlaceholderWithDefault",
    "Case",
    "If",
    "PartitionedCall",
    "StatefulPartitionedCall",
    "StatelessCase",
    "StatelessIf",
    "StatelessWhile",
    "While",
    "Assign",
    "AssignAdd",
    "AssignAddVariableOp",
    "AssignSub",
    "AssignSubVariableOp",
    "AssignVariableOp",
    "CountUpTo",
    "DestroyResourceOp",
    "IsVariableInitialized",
    "ReadVariableOp",
    "ResourceCountUpTo",
    "ResourceGather",
    "ResourceScatterAdd",
    "ResourceScatterDiv",
    "ResourceScatterMax",
    "ResourceScatterMin",
    "ResourceScatterMul",
    "ResourceScatterNdAdd",
    "ResourceScatterNdMax",
    "ResourceScatterNdMin",
    "ResourceScatterNdSub",
    "ResourceScatterNdUpdate",
    "ResourceScatterSub",
    "ResourceScatterUpdate",
    "ResourceStridedSliceAssign",
    "ScatterAdd",
    "ScatterDiv",
    "ScatterMax",
    "ScatterMin",
    "ScatterMul",
    "ScatterNdAdd",
    "ScatterNdSub",
    "ScatterNdUpdate",
    "ScatterSub",
    "ScatterUpdate",
    "VarHandleOp",
    "VarIsInitializedOp",
    "VariableShape",
    "VariableV2",
}

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

# Operations whose gradient is not their derivative, on purpose.
OWN_GRADIENT = {"PreventGradient", "StopGradient"}

# Operations whose gradient cannot be differentiated again.
NO_SECOND_GRADIENT = {
    "Igamma": "IgammaGradA has none in TensorFlow either",
    "Igammac": "IgammaGradA has none in TensorFlow either",
}

# Operations that compile where they know the values of some operands, which the meta-test feeds.
HOST_FOR_FED_OPERANDS = {"StridedSlice", "StridedSliceGrad"}
