"""The classes of tf.errors. Codes and behaviour were read off TensorFlow 2.15.1."""

import pickle
from traceback import StackSummary

import pytest

from everflow._src.framework import errors

CODES = {
    "CancelledError": 1,
    "UnknownError": 2,
    "InvalidArgumentError": 3,
    "DeadlineExceededError": 4,
    "NotFoundError": 5,
    "AlreadyExistsError": 6,
    "PermissionDeniedError": 7,
    "ResourceExhaustedError": 8,
    "FailedPreconditionError": 9,
    "AbortedError": 10,
    "OutOfRangeError": 11,
    "UnimplementedError": 12,
    "InternalError": 13,
    "UnavailableError": 14,
    "DataLossError": 15,
    "UnauthenticatedError": 16,
}


@pytest.mark.parametrize("name, code", CODES.items())
def test_classes(name, code):
    cls = getattr(errors, name)
    error = cls(None, None, "the message")
    assert isinstance(error, errors.OpError)
    assert (error.node_def, error.op, error.message, error.error_code) == (None, None, "the message", code)
    assert error.experimental_payloads == {} and error.args == ()
    assert str(error) == "the message"
    assert errors.exception_type_from_error_code(code) is cls
    assert errors.error_code_from_exception_type(cls) == code


def test_constants():
    names = (
        "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
        "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE "
        "DATA_LOSS UNAUTHENTICATED"
    )
    assert [getattr(errors, name) for name in names.split()] == list(range(17))


def test_payloads():
    error = errors.NotFoundError(None, None, "m", {"key": b"value"})
    assert error.experimental_payloads == {"key": b"value"}


def test_base_class_takes_the_code():
    error = errors.OpError("node", None, "m", 3)
    assert (error.node_def, error.error_code, str(error)) == ("node", 3, "m")


def test_message_is_required():
    with pytest.raises(TypeError):
        errors.NotFoundError("m")


def test_text_shows_where_the_operation_was_made():
    class Operation:
        name = "layer/matmul"
        traceback = StackSummary.from_list([("model.py", 12, "build", "y = tf.matmul(a, b)")])

    text = str(errors.InvalidArgumentError(None, Operation(), "sizes differ"))
    assert text.startswith("sizes differ\n\nOriginal stack trace for 'layer/matmul':\n")
    assert '  File "model.py", line 12, in build' in text


def test_pickle_leaves_the_operation_behind():
    coded = errors.DataLossError("node", object(), "m", {"k": b"v"})
    for error in (coded, errors.OpError(None, None, "m", 7)):
        copied = pickle.loads(pickle.dumps(error))
        assert type(copied) is type(error) and copied.op is None
        assert (copied.node_def, copied.message) == (error.node_def, error.message)
        assert (copied.error_code, copied.experimental_payloads) == (
            error.error_code,
            error.experimental_payloads,
        )


def test_unknown_codes_and_classes():
    with pytest.raises(KeyError):
        errors.exception_type_from_error_code(99)
    with pytest.warns(UserWarning, match="ValueError"):
        assert isinstance(errors.error_code_from_exception_type(ValueError), errors.UnknownError)


def test_other_classes():
    assert issubclass(errors.OperatorNotAllowedInGraphError, TypeError)
    assert issubclass(errors.InaccessibleTensorError, ValueError)
    with errors.raise_exception_on_not_ok_status():
        pass
    with pytest.raises(errors.AbortedError), errors.raise_exception_on_not_ok_status():
        raise errors.AbortedError(None, None, "m")
