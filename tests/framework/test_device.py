"""Device names. The tables were read off TensorFlow 2.15.1."""

import pickle

import pytest

from everflow._src.framework.device import (
    DeviceSpecV1,
    DeviceSpecV2,
    canonical_device,
    check_valid,
    device_from_scope,
    is_device_spec,
    merge_device,
)

NAMES = [
    ("/job:worker/replica:0/task:1/device:GPU:2", "/job:worker/replica:0/task:1/device:GPU:2"),
    ("/job:localhost/replica:0/task:0/cpu:0", "/job:localhost/replica:0/task:0/device:CPU:0"),
    ("/cpu:0", "/device:CPU:0"),
    ("/GPU:1", "/device:GPU:1"),
    ("cpu:0", "/device:CPU:0"),
    ("GPU", "/device:GPU:*"),
    ("/gpu", "/device:GPU:*"),
    ("/device:GPU:*", "/device:GPU:*"),
    ("/tpu:0", "/device:TPU:0"),
    ("/custom:0", "/device:CUSTOM:0"),
    ("/device:XLA_CPU:0", "/device:XLA_CPU:0"),
    ("/job:worker/", "/job:worker"),
    ("job:worker", "/job:worker"),
    ("/job:a_b-c.d", "/job:a_b-c.d"),
    ("/job:a/job:b", "/job:b"),
    ("/task:1/job:w", "/job:w/task:1"),
    ("//cpu:0", "/device:CPU:0"),
    ("", ""),
    ("/", ""),
]
WRONG_NAMES = [
    "/foo:1", "/foo", "worker", "/device:GPU", "/device:", "/device:CPU:0:1", "/cpu:0:1", " /cpu:0", "/cpu:",
    "/task:x", "/replica:*", "/task:*", "/device:gpu:x", "/xla_gpu:0", "/cpu:0/gpu:0",
    "/device:CPU:0/device:GPU:0",
]  # fmt: skip
BOTH = pytest.mark.parametrize("cls", [DeviceSpecV1, DeviceSpecV2])


@BOTH
@pytest.mark.parametrize("name, canonical", NAMES)
def test_from_string(cls, name, canonical):
    spec = cls.from_string(name)
    assert type(spec) is cls and spec.to_string() == canonical == canonical_device(name)
    check_valid(name)


@BOTH
@pytest.mark.parametrize("name", WRONG_NAMES)
def test_wrong_names(cls, name):
    for parse in (cls.from_string, canonical_device, check_valid):
        with pytest.raises(ValueError):
            parse(name)


def test_canonical_device():
    assert canonical_device("/device:cpu:0") == "/device:CPU:0"
    assert canonical_device(DeviceSpecV2(job="w", device_type="cpu")) == "/job:w/device:CPU:*"
    assert canonical_device(None) == ""
    with pytest.raises(TypeError):
        canonical_device(3)


@BOTH
def test_parts(cls):
    spec = cls("worker", 0, "1", "gpu", "2")
    assert (spec.job, spec.replica, spec.task) == ("worker", 0, 1)
    assert (spec.device_type, spec.device_index) == ("GPU", 2)
    assert spec.to_string() == "/job:worker/replica:0/task:1/device:GPU:2"
    text = "<DeviceSpec(job=worker, replica=0, task=1, device_type=GPU, device_index=2)>"
    assert repr(spec) == str(spec) == text
    assert cls(job=3).to_string() == "/job:3"
    assert cls(device_index=3).to_string() == ""  # a number without a type names nothing
    assert cls(device_type="GPU").to_string() == "/device:GPU:*"
    assert cls.from_string(None).to_string() == ""
    assert is_device_spec(spec) and not is_device_spec("/cpu:0")
    for arguments in ({"task": "x"}, {"device_index": "*"}):
        with pytest.raises(ValueError):
            cls(**arguments)


@BOTH
def test_merging_and_replacing(cls):
    spec = cls(job="w", device_type="CPU", device_index=0)
    merged = spec.make_merged_spec(DeviceSpecV2(job="v", device_type="GPU"))
    assert type(merged) is cls and merged.to_string() == "/job:v/device:GPU:0"
    assert spec.make_merged_spec(DeviceSpecV1(device_index=3)).to_string() == "/job:w/device:CPU:3"
    assert spec.replace(task=3, device_index=None).to_string() == "/job:w/task:3/device:CPU:*"
    assert spec.to_string() == "/job:w/device:CPU:0"
    with pytest.raises(TypeError):
        spec.replace(other=3)


@BOTH
def test_equality(cls):
    assert cls(job="w") == cls(job="w") and cls(job="w") != cls(job="v") and cls(job="w") != "/job:w"
    assert hash(cls(job="w")) == hash(cls.from_string("/job:w"))
    assert pickle.loads(pickle.dumps(cls(job="w", task=1))) == cls(job="w", task=1)
    assert DeviceSpecV1(job="w") != DeviceSpecV2(job="w") or cls is DeviceSpecV2


def test_v1_can_be_changed():
    spec = DeviceSpecV1(job="w", task=4)
    assert spec.parse_from_string("/job:v") is spec and spec.to_string() == "/job:v"
    spec.task, spec.device_type, spec.device_index = 3, "gpu", "1"
    spec.replica, spec.job = 0, "u"
    assert spec.to_string() == "/job:u/replica:0/task:3/device:GPU:1"
    spec.merge_from(DeviceSpecV2(task=5))
    assert spec.to_string() == "/job:u/replica:0/task:5/device:GPU:1"


def test_v2_cannot_be_changed():
    spec = DeviceSpecV2(job="w")
    with pytest.raises(AttributeError):
        spec.task = 3
    assert spec.parse_from_string("/job:v/task:1").to_string() == "/job:v/task:1"
    assert spec.to_string() == "/job:w"


def test_merge_device():
    assert merge_device("/job:w/gpu:1", "/task:2/cpu:0") == "/job:w/task:2/device:CPU:0"
    assert merge_device("", "/gpu:1") == "/device:GPU:1"
    assert merge_device(DeviceSpecV2(job="w"), DeviceSpecV2(task=1)) == "/job:w/task:1"


class Operation:
    device = ""
    type = "Const"

    def _set_device(self, device):
        self.device = device


SCOPES = [
    (["/cpu:0"], "/device:CPU:0"),
    (["/device:cpu:0"], "/device:CPU:0"),
    (["CPU"], "/device:CPU:*"),
    ([""], ""),
    ([], ""),
    (["/job:ps/task:0", "/cpu:0"], "/job:ps/task:0/device:CPU:0"),
    (["/job:ps/task:0/gpu:1", "/cpu:0"], "/job:ps/task:0/device:CPU:0"),
    (["/job:ps/task:0/gpu:1", "/job:worker"], "/job:worker/task:0/device:GPU:1"),
    (["/job:ps/task:0/gpu:1", None], ""),
    (["/job:ps/task:0/gpu:1", None, "/cpu:0"], "/device:CPU:0"),
    (["/job:ps/task:0/gpu:1", ""], "/job:ps/task:0/device:GPU:1"),
    (["/gpu:1", "/device:CPU:*"], "/device:CPU:1"),
    ([DeviceSpecV1(job="w"), DeviceSpecV2(device_type="gpu", device_index=1)], "/job:w/device:GPU:1"),
    ([lambda op: "/cpu:0"], "/cpu:0"),
    (["/job:w", lambda op: "/cpu:0"], "/job:w/device:CPU:0"),
    ([lambda op: "/cpu:0", "/job:w"], "/cpu:0"),
    ([lambda op: "/gpu:1" if op.type == "Const" else "/cpu:0", "/job:w"], "/gpu:1"),
    (["/job:w", lambda op: ""], "/job:w"),
    (["/job:w", lambda op: DeviceSpecV2(task=3)], "/job:w/task:3"),
    ([lambda op: op.device + "/task:1", "/job:w"], "/job:w/task:1"),
    (["/job:w", None, lambda op: op.device + "/task:1"], "/task:1"),
    ([lambda op: "/job:a", "/task:1", lambda op: "/job:b/cpu:0"], "/job:a"),
    ([lambda op: "/cpu:0", None], ""),
    (["/job:w", merge_device("/cpu:0")], "/job:w/device:CPU:0"),
    ([merge_device("/cpu:0"), "/job:w"], "/job:w/device:CPU:0"),
    ([merge_device("/cpu:0"), "/gpu:0"], "/device:GPU:0"),
    (["/job:w", merge_device(None)], "/job:w"),
]


@pytest.mark.parametrize("scopes, device", SCOPES)
def test_device_from_scope(scopes, device):
    assert device_from_scope(tuple(scopes), Operation()) == device


def test_device_from_scope_without_operation():
    assert device_from_scope("/gpu:0") == "/device:GPU:0"
    assert device_from_scope(None) == ""
    assert device_from_scope(("/job:w", lambda op: "/cpu:0", "/gpu:0")) == "/job:w/device:GPU:0"


@pytest.mark.parametrize(
    "scopes, error",
    [
        (["/foo"], ValueError),
        ([3], TypeError),
        ([lambda op: 3], TypeError),
        ([lambda op: None, "/job:w"], TypeError),
        (["/job:w", lambda op: "/foo"], ValueError),
    ],
)
def test_wrong_scopes(scopes, error):
    with pytest.raises(error):
        device_from_scope(tuple(scopes), Operation())
