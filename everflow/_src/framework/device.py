"""Device names: parsing, writing in one canonical form, and merging those of nested scopes.

A name is a path of parts such as `/job:worker/replica:0/task:1/device:GPU:2`, any of which may be missing.
The old forms `/gpu:2`, `/GPU:2` and `GPU:2` mean `/device:GPU:2`.
"""

import functools

from everflow._src.framework.export import export

# The types that may stand as a part of their own (`/gpu:0`); others need `/device:TYPE:0`.
_SHORT_TYPES = ("CPU", "GPU", "TPU", "CUSTOM")


def _number(value):
    return None if value is None else int(value)


@functools.lru_cache(maxsize=1024)
def _parse(text):
    """Returns (job, replica, task, device type, device index) of a device name."""
    job = replica = task = device_type = index = None
    for part in text.split("/"):
        if not part:
            continue
        pieces = part.split(":")
        key, count = pieces[0], len(pieces)
        is_device = count == 3 and key == "device"
        if count == 2 and key == "job":
            job = pieces[1]
        elif count == 2 and key == "replica":
            replica = int(pieces[1])
        elif count == 2 and key == "task":
            task = int(pieces[1])
        elif is_device or (count in (1, 2) and key.upper() in _SHORT_TYPES):
            if device_type is not None:
                raise ValueError(f"A device name can hold one device type. Received two: {text!r}")
            device_type = pieces[1] if is_device else key.upper()
            if count > 1 and pieces[-1] != "*":
                index = int(pieces[-1])
        else:
            raise ValueError(
                f"Unknown part {part!r} in the device name {text!r}. Expected job:NAME, replica:NUMBER, "
                f"task:NUMBER, device:TYPE:NUMBER or one of {', '.join(_SHORT_TYPES)}."
            )
    return job, replica, task, device_type, index


def _write(job, replica, task, device_type, index):
    parts = []
    if job is not None:
        parts.append(f"/job:{job}")
    if replica is not None:
        parts.append(f"/replica:{replica}")
    if task is not None:
        parts.append(f"/task:{task}")
    if device_type is not None:
        parts.append(f"/device:{device_type}:{'*' if index is None else index}")
    return "".join(parts)


@export("DeviceSpec", v1=[])
class DeviceSpecV2:
    """The place of an operation or variable, in parts. It cannot be changed; see `replace`.

    >>> import everflow as tf
    >>> tf.DeviceSpec.from_string("/job:worker/gpu:1").replace(task=3).to_string()
    '/job:worker/task:3/device:GPU:1'

    Args:
      job: Name of the job, such as "worker", or None if it does not matter (so for all parts).
      replica: Number of the replica.
      task: Number of the task.
      device_type: Type of device, such as "CPU" or "GPU".
      device_index: Number of the device; None stands for any.

    Raises:
      ValueError: If `replica`, `task` or `device_index` is no number.
    """

    __slots__ = ("_device_index", "_device_type", "_job", "_replica", "_task")

    def __init__(self, job=None, replica=None, task=None, device_type=None, device_index=None):
        self._job = None if job is None else str(job)
        self._replica = _number(replica)
        self._task = _number(task)
        self._device_type = None if device_type is None else str(device_type).upper()
        self._device_index = _number(device_index)

    @classmethod
    def from_string(cls, spec):
        """Returns the DeviceSpec that a device name describes; of nothing for None or an empty text.

        Raises:
          ValueError: If the name has an unknown part.
        """
        made = cls()
        made._set_parts(*_parse(spec or ""))
        return made

    def parse_from_string(self, spec):
        """Returns the DeviceSpec that the device name `spec` describes; see `from_string`."""
        return self.from_string(spec)

    def _set_parts(self, job, replica, task, device_type, index):
        self._job, self._replica, self._task = job, replica, task
        self._device_type, self._device_index = device_type, index

    def _parts(self):
        return self._job, self._replica, self._task, self._device_type, self._device_index

    def _merged_parts(self, other):
        pairs = zip(
            (other.job, other.replica, other.task, other.device_type, other.device_index), self._parts()
        )
        return [mine if theirs is None else theirs for theirs, mine in pairs]

    def make_merged_spec(self, dev):
        """Returns the parts of `dev`, another DeviceSpec, filled up with those of this one."""
        return type(self)(*self._merged_parts(dev))

    def replace(self, **kwargs):
        """Returns a DeviceSpec with some parts replaced: arguments as those of the constructor."""
        names = ("job", "replica", "task", "device_type", "device_index")
        return type(self)(**{**dict(zip(names, self._parts())), **kwargs})

    def to_string(self):
        """Returns the canonical device name."""
        return _write(*self._parts())

    @property
    def job(self):
        """Name of the job, or None."""
        return self._job

    @property
    def replica(self):
        """Number of the replica, or None."""
        return self._replica

    @property
    def task(self):
        """Number of the task, or None."""
        return self._task

    @property
    def device_type(self):
        """Type of device in capitals, or None."""
        return self._device_type

    @property
    def device_index(self):
        """Number of the device, or None."""
        return self._device_index

    def __eq__(self, other):
        return isinstance(other, type(self)) and self.to_string() == other.to_string()

    def __hash__(self):
        return hash(self.to_string())

    def __repr__(self):
        return (
            f"<DeviceSpec(job={self.job}, replica={self.replica}, task={self.task}, "
            f"device_type={self.device_type}, device_index={self.device_index})>"
        )


@export(v1=["DeviceSpec"])
class DeviceSpecV1(DeviceSpecV2):
    """The place of an operation or variable, in parts, each of which can be assigned to.

    Args:
      job: Name of the job, such as "worker", or None if it does not matter (so for all parts).
      replica: Number of the replica.
      task: Number of the task.
      device_type: Type of device, such as "CPU" or "GPU".
      device_index: Number of the device; None stands for any.
    """

    __slots__ = ()

    @DeviceSpecV2.job.setter  # type: ignore[attr-defined]
    def job(self, job):
        self._job = None if job is None else str(job)

    @DeviceSpecV2.replica.setter  # type: ignore[attr-defined]
    def replica(self, replica):
        self._replica = _number(replica)

    @DeviceSpecV2.task.setter  # type: ignore[attr-defined]
    def task(self, task):
        self._task = _number(task)

    @DeviceSpecV2.device_type.setter  # type: ignore[attr-defined]
    def device_type(self, device_type):
        self._device_type = None if device_type is None else str(device_type).upper()

    @DeviceSpecV2.device_index.setter  # type: ignore[attr-defined]
    def device_index(self, device_index):
        self._device_index = _number(device_index)

    def parse_from_string(self, spec):
        """Takes over all parts of the device name `spec` and returns this object."""
        self._set_parts(*_parse(spec or ""))
        return self

    def merge_from(self, dev):
        """Takes over those parts of `dev`, another DeviceSpec, that are set."""
        self._set_parts(*self._merged_parts(dev))


def is_device_spec(obj):
    """Returns True if `obj` is a DeviceSpec of either generation."""
    return isinstance(obj, DeviceSpecV2)


@functools.lru_cache(maxsize=1024)
def _canonical(text):
    job, replica, task, device_type, index = _parse(text)
    return _write(job, replica, task, device_type and device_type.upper(), index)


def canonical_device(device):
    """Returns the canonical name of a device name or DeviceSpec; "" for None.

    Raises:
      ValueError: If the name has an unknown part.
      TypeError: If `device` is neither.
    """
    if device is None:
        return ""
    if isinstance(device, DeviceSpecV2):
        device = device.to_string()
    elif not isinstance(device, str):
        raise TypeError(f"Expected a device name or a DeviceSpec. Received: {device!r}")
    return _canonical(device)


# Its name in `tensorflow.python.framework.device`.
canonical_name = canonical_device


def check_valid(spec):
    """Raises ValueError unless `spec` is a device name."""
    _parse(spec)


@functools.lru_cache(maxsize=1024)
def _merged(outer, inner):
    parts = [mine if theirs is None else theirs for theirs, mine in zip(_parse(inner), _parse(outer))]
    job, replica, task, device_type, index = parts
    return _write(job, replica, task, device_type and device_type.upper(), index)


class MergeDevice:
    """A device scope that adds what an operation's own device leaves open; made by `merge_device(spec)`."""

    __slots__ = ("_device",)

    def __init__(self, spec):
        self._device = canonical_device(spec)

    def __call__(self, op):
        return _merged(self._device, canonical_device(op.device))


def merge_device(outer, inner=None):
    """Returns the device name `inner`, filled up with the parts of `outer`.

    Args:
      outer: A device name or DeviceSpec, that of an enclosing scope.
      inner: The name or DeviceSpec that counts first. If it is None, a device function is returned instead,
        which merges `outer` into the device of the operation that it is called with.

    Raises:
      ValueError: If a name has an unknown part.
      TypeError: If an argument is neither a name nor a DeviceSpec.
    """
    if inner is None:
        return MergeDevice(outer)
    return _merged(canonical_device(outer), canonical_device(inner))


def device_from_scope(scope, op=None):
    """Returns the device name that nested device scopes ask for.

    Args:
      scope: The entries of the scopes that are open, from the outermost to the innermost, as a tuple; or a
        single entry. An entry is a device name, a DeviceSpec, a function from an operation to one of these,
        or None, which cancels all entries outside it.
      op: The operation that is being made. Functions among the entries see in `op.device` what the entries
        inside them ask for. Without an operation functions are passed over.

    Returns:
      A canonical name, or exactly what the outermost function returned: as in TensorFlow, a function has the
        last
      word over the scopes inside it, and names only add what is still open.

    Raises:
      ValueError: If a name has an unknown part.
      TypeError: If an entry, or what a function returned, is neither a name nor a DeviceSpec.
    """
    if not isinstance(scope, tuple):
        scope = (scope,)
    device = "" if op is None else op.device or ""
    for entry in reversed(scope):
        if entry is None:
            break
        if callable(entry):
            if op is None:
                continue
            op._set_device(device)
            device = entry(op)
            if isinstance(device, DeviceSpecV2):
                device = device.to_string()
            elif not isinstance(device, str):
                raise TypeError(f"A device function must return a device name. Received: {device!r}")
        else:
            device = _merged(canonical_device(entry), device)
    return device
