"""Errors that operations raise, one class per status code.

Source: `tensorflow/core/protobuf/error_codes.proto` and the gRPC status codes.
"""

import traceback
import warnings

from everflow._src.framework.export import export, export_constant

OK = 0
CANCELLED = 1
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
ABORTED = 10
OUT_OF_RANGE = 11
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
DATA_LOSS = 15
UNAUTHENTICATED = 16

for _name in (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
    "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE "
    "DATA_LOSS UNAUTHENTICATED"
).split():
    export_constant(__name__, _name, "errors." + _name)


@export("errors.OpError", v1=["errors.OpError", "OpError"])
class OpError(Exception):
    """Base class of the errors that running an operation raises.

    Args:
      node_def: NodeDef of the operation that failed, or None.
      op: The `tf.Operation` that failed, or None (eager execution).
      message: What went wrong.
      error_code: One of the codes in `tf.errors`.
      *args: Optionally one dict of payloads, `experimental_payloads`.
    """

    def __init__(self, node_def, op, message, error_code, *args):
        super().__init__()
        self._node_def = node_def
        self._op = op
        self._message = message
        self._error_code = error_code
        self._experimental_payloads = args[0] if args else {}

    @property
    def message(self):
        """What went wrong."""
        return self._message

    @property
    def op(self):
        """The `tf.Operation` that failed, or None."""
        return self._op

    @property
    def node_def(self):
        """The NodeDef of the operation that failed, or None."""
        if self._node_def is None and self._op is not None:
            return self._op.node_def
        return self._node_def

    @property
    def error_code(self):
        """The status code, one of the numbers in `tf.errors`."""
        return self._error_code

    @property
    def experimental_payloads(self):
        """Details as a dict from text to bytes."""
        return self._experimental_payloads

    def __str__(self):
        message = str(self._message)
        stack = getattr(self._op, "traceback", None)
        if not stack:
            return message
        lines = "".join(traceback.format_list(list(stack)))
        return f"{message}\n\nOriginal stack trace for {self._op.name!r}:\n{lines}"

    def __repr__(self):
        # The base class would show its empty `args`.
        return f"{type(self).__name__}({self._message!r})"

    def _constructor_arguments(self):
        return (self._node_def, None, self._message, self._error_code, self._experimental_payloads)

    def __reduce__(self):
        # A process that reads the pickle has no graph, so the operation stays behind.
        return type(self), self._constructor_arguments()


class _CodedError(OpError):
    """An error whose class fixes the code, so that the constructor takes none."""

    _CODE = UNKNOWN

    def __init__(self, node_def, op, message, *args):
        super().__init__(node_def, op, message, self._CODE, *args)

    def _constructor_arguments(self):
        return (self._node_def, None, self._message, self._experimental_payloads)


@export("errors.CancelledError")
class CancelledError(_CodedError):
    """An operation was cancelled, such as an enqueue on a queue that was closed."""

    _CODE = CANCELLED


@export("errors.UnknownError")
class UnknownError(_CodedError):
    """An error of which nothing more is known, such as one from a Python function inside a graph."""

    _CODE = UNKNOWN


@export("errors.InvalidArgumentError")
class InvalidArgumentError(_CodedError):
    """An operation received an argument that it cannot work with, whatever the state of the program."""

    _CODE = INVALID_ARGUMENT


@export("errors.DeadlineExceededError")
class DeadlineExceededError(_CodedError):
    """A time limit passed before the operation was done."""

    _CODE = DEADLINE_EXCEEDED


@export("errors.NotFoundError")
class NotFoundError(_CodedError):
    """Something that was asked for, such as a file or a variable in a checkpoint, does not exist."""

    _CODE = NOT_FOUND


@export("errors.AlreadyExistsError")
class AlreadyExistsError(_CodedError):
    """Something that was to be created exists."""

    _CODE = ALREADY_EXISTS


@export("errors.PermissionDeniedError")
class PermissionDeniedError(_CodedError):
    """The caller may not do this, for example read a file."""

    _CODE = PERMISSION_DENIED


@export("errors.ResourceExhaustedError")
class ResourceExhaustedError(_CodedError):
    """Memory or another resource is used up."""

    _CODE = RESOURCE_EXHAUSTED


@export("errors.FailedPreconditionError")
class FailedPreconditionError(_CodedError):
    """The program is not in the state that is needed: a variable was read before it was initialized."""

    _CODE = FAILED_PRECONDITION


@export("errors.AbortedError")
class AbortedError(_CodedError):
    """An operation was stopped by what another one did at the same time."""

    _CODE = ABORTED


@export("errors.OutOfRangeError")
class OutOfRangeError(_CodedError):
    """An iteration went past the end: of a queue, a dataset, a file."""

    _CODE = OUT_OF_RANGE


@export("errors.UnimplementedError")
class UnimplementedError(_CodedError):
    """The operation exists, but not for these arguments, types or device."""

    _CODE = UNIMPLEMENTED


@export("errors.InternalError")
class InternalError(_CodedError):
    """Something that must always hold inside the system did not."""

    _CODE = INTERNAL


@export("errors.UnavailableError")
class UnavailableError(_CodedError):
    """A service cannot be reached now; trying again may help."""

    _CODE = UNAVAILABLE


@export("errors.DataLossError")
class DataLossError(_CodedError):
    """Data is damaged or cut off, such as a record whose checksum is wrong."""

    _CODE = DATA_LOSS


@export("errors.UnauthenticatedError")
class UnauthenticatedError(_CodedError):
    """The caller did not say, or could not prove, who it is."""

    _CODE = UNAUTHENTICATED


@export("errors.OperatorNotAllowedInGraphError", v1=[])
class OperatorNotAllowedInGraphError(TypeError):
    """A Python operation needs the value of a tensor that has none yet, such as `if tensor:` in a graph."""


class InaccessibleTensorError(TypeError, ValueError):
    """A tensor is used outside the function or branch in which it was made.

    TensorFlow raises a TypeError in some places and a ValueError in others.
    """


_CLASS_BY_CODE = {cls._CODE: cls for cls in _CodedError.__subclasses__()}
_CODE_BY_CLASS = {cls: code for code, cls in _CLASS_BY_CODE.items()}


@export(v1=["errors.exception_type_from_error_code"])
def exception_type_from_error_code(error_code):
    """Returns the class of errors with this code.

    Raises:
      KeyError: If no class has it.
    """
    return _CLASS_BY_CODE[error_code]


@export(v1=["errors.error_code_from_exception_type"])
def error_code_from_exception_type(cls):
    """Returns the code of a class of errors.

    For a class that has no code, TensorFlow warns and returns an `UnknownError` object; so does this.
    """
    try:
        return _CODE_BY_CLASS[cls]
    except KeyError:
        warnings.warn(f"{cls.__name__} is no class of tf.errors with a code.", stacklevel=2)
        return UnknownError(None, None, f"{cls.__name__} is no class of tf.errors with a code.", None)


@export(v1=["errors.raise_exception_on_not_ok_status"])
class raise_exception_on_not_ok_status:
    """Context manager that TensorFlow's C API calls were wrapped in. Here errors are exceptions already."""

    def __enter__(self):
        return self

    def __exit__(self, exception_type, exception, trace):
        return False
